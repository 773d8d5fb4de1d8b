package session

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// weather is what a world is like: its clients, its server, its network, and how much harm of which kind is done. Every seed draws its own, so
// that some worlds have one kind of fault only and others all at once.
type weather struct {
	transports   []string
	clientBatch  int
	clientWindow int64
	heldBound    int64
	table        TableConfig
	latency      time.Duration // longest, one way
	rate         int           // bytes a second of a carrier; 0: no limit
	pause        time.Duration // longest between two bursts of an application
	slowness     time.Duration // longest that a slow reader takes over a message
	patience     time.Duration
	messages     int
	epoch        int // of the credentials that are good
	rates        [simFaults]float64
	storms       []simFault
	every        time.Duration // a storm, on average
	routes       map[string]*simRoute
	habits       map[string]simHabit
}

// simRoute is how new carriers of one transport fare.
type simRoute struct {
	mode routeMode
	held bool // a proxy holds streams back
	most int  // a batch above this many bytes kills the carrier; 0: any passes
}

type routeMode uint8

const (
	routeOpen    routeMode = iota
	routeRefused           // no connection
	routeStatus            // answered with an HTTP status
	routeSwallow           // connected, and then nothing passes
	routeYoung             // killed 200 ms after it opened
)

func pick[T any](w *world, of ...T) T { return of[w.rng.IntN(len(of))] }

func (w *world) drawWeather() weather {
	y := weather{
		transports: pick(w, []string{transport.WebSocket, transport.SSE, transport.LongPoll}, []string{transport.WebSocket, transport.SSE, transport.LongPoll},
			[]string{transport.WebSocket, transport.LongPoll}, []string{transport.SSE, transport.LongPoll}, []string{transport.WebSocket}, []string{transport.LongPoll}, []string{transport.SSE}),
		clientBatch:  pick(w, 2048, 8192, 65536, 65536),
		clientWindow: pick[int64](w, 32<<10, 256<<10, 2<<20),
		latency:      pick(w, 2*time.Millisecond, 30*time.Millisecond, 120*time.Millisecond, 400*time.Millisecond),
		rate:         pick(w, 0, 0, 0, 1<<20, 60<<10),
		pause:        pick(w, 20*time.Millisecond, 200*time.Millisecond, 2*time.Second),
		slowness:     pick(w, 200*time.Millisecond, 2*time.Second),
		patience:     pick(w, 0, 0, 20*time.Millisecond, 300*time.Millisecond),
		messages:     pick(w, 20, 120, 120, 300),
		every:        pick(w, 100*time.Millisecond, 400*time.Millisecond, 2*time.Second),
		routes:       map[string]*simRoute{transport.WebSocket: {}, transport.SSE: {}, transport.LongPoll: {}},
	}
	y.table = TableConfig{
		MaxBatch: pick(w, 2048, 16384, 65536, 65536), MaxMessage: pick(w, 40960, 1<<20), Window: pick(w, 48<<10, 256<<10, 2<<20), Ping: pick(w, 5*time.Second, 20*time.Second),
		Hold: pick(w, 5*time.Second, 20*time.Second), TTL: pick(w, 30*time.Second, 120*time.Second),
	}
	y.heldBound = int64(max(y.table.Window, y.table.MaxMessage*2) + y.table.MaxMessage*2 + (64 << 10))
	for f := range simFaults {
		if w.rng.IntN(3) == 0 {
			continue
		}
		switch {
		case f < simStorms:
			y.rates[f] = pick(w, 0.004, 0.02, 0.1)
			switch f {
			case faultRequestLost, faultDuplicate, faultLateCopy, faultReorder: // of POSTs only
				y.rates[f] *= 2
			case faultReplyLost, faultWrongReply, faultStray: // and these of what is left
				y.rates[f] *= 3
			default:
			}
		case f == faultMalformed || f == faultRestartServer || f == faultClose || f == faultRestartClient:
			if w.rng.IntN(2) == 0 {
				y.storms = append(y.storms, f)
			}
		case f == faultCap:
			y.storms = append(y.storms, f, f, f, f, f, f)
		case f == faultForce || f == faultHeld || f == faultYoung || f == faultForgedUse || f == faultMove: // these take effect later, or not at all
			y.storms = append(y.storms, f, f, f, f)
		default:
			y.storms = append(y.storms, f)
		}
	}
	return y
}

func (y *weather) plan(w *world) int { return w.rng.IntN(y.messages) + 1 }

// meet is what becomes of a new carrier. False: it is refused.
func (r *simRoute) meet(ca *simCarrier) bool {
	w := ca.w
	switch r.mode {
	case routeRefused:
		w.fault(faultDialRefused, "%s of %s", ca.kind, ca.c.name)
		return false
	case routeStatus:
		w.fault(faultStatus, "%s of %s", ca.kind, ca.c.name)
		return false
	case routeSwallow:
		w.fault(faultSwallow, "%s of %s", ca.kind, ca.c.name)
		ca.holeUp, ca.holeDown = true, true
	case routeYoung:
		if ca.kind == transport.KindSocket || ca.kind == transport.KindStream {
			w.fault(faultYoung, "%s of %s", ca.kind, ca.c.name)
			w.after(4*ca.latency+200*time.Millisecond, func() { ca.severed(true, true) })
		}
	case routeOpen:
	}
	if r.held && ca.kind == transport.KindStream {
		w.fault(faultHeld, "stream of %s", ca.c.name)
		ca.held = true
	}
	return true
}

// becomeCalm ends the faults. One transport at least passes batches of 2 KiB from now on; the others may stay as they are. What is wrong with
// carriers that are there already stays wrong.
func (w *world) becomeCalm() {
	w.calm = true
	for _, n := range w.nodes {
		n.refuse, n.busy = "", false
		n.t.draining.Store(false)
	}
	good := pick(w, w.weather.transports...)
	for name, r := range w.weather.routes {
		if name == good || name == transport.LongPoll && good == transport.SSE {
			*r = simRoute{most: r.most}
			if r.most > 0 {
				r.most = max(r.most, 2048)
			}
		}
	}
	if good == transport.SSE && !slices.Contains(w.weather.transports, transport.LongPoll) {
		w.weather.routes[transport.LongPoll].mode = routeOpen
	}
	for _, c := range w.clients {
		c.app.slow = 0
	}
	for _, n := range w.nodes {
		for _, a := range n.apps {
			a.slow = 0
		}
	}
}
