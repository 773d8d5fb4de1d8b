package session

import (
	"flag"
	"fmt"
	"os"
	goruntime "runtime" // this package has a type with the name runtime
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simSeed    = flag.Uint64("sim.seed", 0, "run this one seed of the simulation, with a trace")
	simSeeds   = flag.Uint64("sim.seeds", 100, "how many seeds the simulation runs")
	simFirst   = flag.Uint64("sim.first", 1, "the first seed")
	simMinutes = flag.Float64("sim.minutes", 0, "run seeds for this many minutes; 0: run sim.seeds")
	simWorkers = flag.Int("sim.workers", goruntime.GOMAXPROCS(0), "how many seeds run at the same time")
	simStop    = flag.Int64("sim.stop", 5, "stop when this many seeds have failed")
	simFull    = flag.Bool("sim.full", false, "fail when a fault or a control has not happened often enough")
)

// TestSim runs both machines, the Registry and the Session with random faults; a seed gives the
// same run each time. docs/testing.md describes how to use it.
func TestSim(t *testing.T) {
	if *simSeed != 0 {
		if why := runSeed(*simSeed, new(simCounts), true); why != "" {
			t.Fatalf("seed %d: %s", *simSeed, why)
		}
		return
	}
	start := time.Now()
	var next atomic.Uint64
	next.Store(*simFirst)
	var mu sync.Mutex
	var all simCounts
	var failed atomic.Int64
	var wait sync.WaitGroup
	for range *simWorkers {
		wait.Go(func() {
			var own simCounts
			for failed.Load() < *simStop {
				seed := next.Add(1) - 1
				timeOver := *simMinutes > 0 && time.Since(start).Minutes() >= *simMinutes
				if timeOver || *simMinutes == 0 && seed >= *simFirst+*simSeeds {
					break
				}
				if why := runSeed(seed, &own, false); why != "" {
					failed.Add(1)
					t.Errorf("seed %d: %s\n    repeat with: go test ./session -run '^TestSim$' -sim.seed=%d",
						seed, why, seed)
				}
				own.seeds++
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(&own)
		})
	}
	wait.Wait()
	t.Logf("%s\n%s", time.Since(start).Round(time.Second), all.String())
	if *simFull && failed.Load() == 0 {
		for _, m := range all.missing() {
			t.Error(m)
		}
	}
}

// runSeed runs one world and returns what failed, "" if nothing did.
func runSeed(seed uint64, counts *simCounts, trace bool) (why string) {
	counts.init()
	var w *world
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(simFailure)
			if !ok {
				var buf [16 << 10]byte
				f.what = fmt.Sprintf("panic: %v\n%s", r, buf[:goruntime.Stack(buf[:], false)])
			}
			why = strings.TrimSpace(f.what)
			if w != nil {
				why = fmt.Sprintf("%s (at %.4f s)", why, w.at.Seconds())
			}
		}
	}()
	if trace {
		w = newWorld(seed, counts, os.Stdout)
	} else {
		w = newWorld(seed, counts, nil)
	}
	w.run()
	return ""
}
