package cases

import (
	"strings"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/middlebox"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// The bounds of a sweep: how many cuts it makes without the flag -sweep, how many run at a time,
// and how long it starts new ones.
const (
	sweepCuts      = 24
	sweepParallel  = 4
	sweepStartTime = 15 * time.Second
)

// sweepCases run a short session again and again; each time one connection is cut at another byte.
func sweepCases() suite.Set {
	var out suite.Set
	for direction, up := range map[string]bool{"up": true, "down": false} {
		out = append(out, over("all", "sweep/"+direction, "NUM-02 NUM-04 BAT-01 CLO-01 CLO-02",
			"Wherever a connection is cut, every message arrives once and in order, and the session ends as it was "+
				"closed.", func(w *world) {
				w.sweep(up)
			})...)
	}
	return out
}

// AllowFullSweeps gives the sweeps enough time for every byte.
func AllowFullSweeps(all suite.Set) {
	for i := range all {
		if strings.HasPrefix(all[i].ID, "sweep/") {
			all[i].Limit = time.Hour
		}
	}
}

func (w *world) sweep(up bool) {
	counts, _ := w.cutAt(nil)
	cuts := w.cuts(counts, up)
	work := make(chan middlebox.Cut)
	failed := make(chan any, sweepParallel) // the panics that runs ended with
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range sweepParallel {
		all.Go(func() {
			defer func() {
				if v := recover(); v != nil { // a verdict: the goroutine of the case must panic with it
					failed <- v
				}
			}()
			for c := range work {
				w.during(c, func() {
					if _, cut := w.cutAt(&c); cut {
						mu.Lock()
						made++
						mu.Unlock()
					}
				})
			}
		})
	}
	verdict := w.feed(work, failed, cuts)
	all.Wait()
	if len(failed) > 0 {
		verdict = <-failed
	}
	if verdict != nil {
		panic(verdict)
	}
	if w.Logf("%d of %d cuts were reached", made, len(cuts)); made == 0 {
		w.Fatalf("none of %d cuts was reached: the client has made other connections each time", len(cuts))
	}
}

// feed hands out the cuts until one fails, or the time is over.
func (w *world) feed(work chan<- middlebox.Cut, failed <-chan any, cuts []middlebox.Cut) any {
	defer close(work)
	over := time.NewTimer(sweepStartTime)
	defer over.Stop()
	if w.target.Sweep > 0 {
		over.Stop()
	}
	for _, c := range cuts {
		select {
		case work <- c:
		case v := <-failed:
			return v
		case <-over.C:
			return nil
		case <-w.Context().Done():
			return nil
		}
	}
	return nil
}

// during logs the cut if the run with it fails.
func (w *world) during(c middlebox.Cut, f func()) {
	passed := false
	defer func() {
		if !passed {
			w.Logf("the run with %s has failed", c)
		}
	}()
	f()
	passed = true
}

// cuts chooses where to cut: at regular distances in all the bytes that crossed, from an offset
// that the seed decides, in random order.
func (w *world) cuts(counts []middlebox.Count, up bool) (out []middlebox.Cut) {
	bytes := func(c middlebox.Count) int64 {
		if up {
			return c.Up
		}
		return c.Down
	}
	total := int64(0)
	for _, c := range counts {
		total += bytes(c)
	}
	step := w.target.Sweep
	if step <= 0 {
		step = max(total/sweepCuts, 1)
	}
	next := w.Rand.Int64N(step)
	for i, c := range counts {
		for ; next < bytes(c); next += step {
			out = append(out, middlebox.Cut{Conn: i + 1, Up: up, Byte: next})
		}
		next -= bytes(c)
	}
	w.Rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// cutAt is one run of the session, with its own server and middlebox. It returns what crossed the
// connections, and whether one was cut.
func (w *world) cutAt(c *middlebox.Cut) (counts []middlebox.Count, cut bool) {
	run := &world{
		T: w.T, s: script.New(w.T), target: w.target, transport: w.transport, trace: w.Case.ID + " undisturbed",
	}
	defer run.s.Stop()
	modes := "tcp"
	if c != nil {
		modes += "," + c.String()
		run.trace = w.Case.ID + " " + c.String()
	}
	run.s.Lossy = true
	run.s.Record = run.eventLog.add
	box, err := middlebox.New(run.s.URL, middlebox.MustParse(modes)...)
	if err != nil {
		w.Fatalf("%v", err)
	}
	box.Cut = func(string) { run.eventLog.add(trace.Event{What: "kill"}) }
	url, err := box.Listen("127.0.0.1:0")
	if err != nil {
		w.Fatalf("%v", err)
	}
	defer box.Close()
	run.start(client.Command{URL: url + run.s.Path()})
	up, down := []string{"one up", "two up"}, []string{"one down", "two down"}
	for i := range up {
		run.send(up[i])
		run.s.Enqueue("t" + down[i])
		run.gets(later, run.blame(), down[:i+1]...)
		run.s.Got(later, run.blame(), up[:i+1]...)
	}
	run.eventLog.markCalm()
	_ = run.c.Do(client.Command{Do: "close", Code: 4100})
	run.expectEnd(later, "HF1-CLO-01", 4100)
	run.gets(later, run.blame(), down...)
	run.s.Got(later, run.blame(), up...)
	counts = box.Counts()
	run.checkTrace()
	return counts, run.eventLog.cut()
}
