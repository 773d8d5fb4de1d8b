package session

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// faultProfile describes a world: its clients, its server, its network, and how many faults of each
// kind it has. It is random, so some worlds have one kind of fault only, and others all kinds.
type faultProfile struct {
	transports      []string
	clientBatch     int
	clientWindow    int64
	heldBound       int64
	registry        RegistryConfig
	latency         time.Duration // at most, in one direction
	rate            int           // bytes a second of a carrier; 0: no limit
	pause           time.Duration // at most, between two bursts of an application
	maxSlowHandling time.Duration // the longest time a slow reader takes for a message
	maxHandling     time.Duration // the longest time any other reader takes
	messages        int
	epoch           int // of the credentials that are accepted
	rates           [simFaults]float64
	phase           []simFault    // the faults of carriers, routes and processes in the fault phase
	every           time.Duration // the mean time between two of them
	routes          map[string]*simRoute
	policies        map[string]networkPolicy
}

// simRoute is what the network does to new carriers of one transport.
type simRoute struct {
	mode     routeMode
	held     bool // a proxy holds streams back
	maxBatch int  // a batch above this many bytes ends the carrier; 0: no limit
}

type routeMode uint8

const (
	routeOpen       routeMode = iota
	routeRefused              // no connection
	routeStatus               // answered with an HTTP status
	routeSwallow              // connected, and then nothing arrives
	routeKillsEarly           // cut 200 ms after it opened
)

func pick[T any](w *world, of ...T) T { return of[w.rng.IntN(len(of))] }

func (w *world) drawProfile() faultProfile {
	all := []string{transport.WebSocket, transport.SSE, transport.LongPoll}
	y := faultProfile{
		transports: pick(w, all, all,
			[]string{transport.WebSocket, transport.LongPoll}, []string{transport.SSE, transport.LongPoll},
			[]string{transport.WebSocket}, []string{transport.LongPoll}, []string{transport.SSE}),
		clientBatch:     pick(w, 2048, 8192, 65536, 65536),
		clientWindow:    pick[int64](w, 32<<10, 256<<10, 2<<20),
		latency:         pick(w, 2*time.Millisecond, 30*time.Millisecond, 120*time.Millisecond, 400*time.Millisecond),
		rate:            pick(w, 0, 0, 0, 1<<20, 60<<10),
		pause:           pick(w, 20*time.Millisecond, 200*time.Millisecond, 2*time.Second),
		maxSlowHandling: pick(w, 200*time.Millisecond, 2*time.Second),
		maxHandling:     pick(w, 0, 0, 20*time.Millisecond, 300*time.Millisecond),
		messages:        pick(w, 20, 120, 120, 300),
		every:           pick(w, 100*time.Millisecond, 400*time.Millisecond, 2*time.Second),
		routes:          map[string]*simRoute{transport.WebSocket: {}, transport.SSE: {}, transport.LongPoll: {}},
	}
	y.registry = RegistryConfig{
		MaxBatch: pick(w, 2048, 16384, 65536, 65536), MaxMessage: pick(w, 40960, 1<<20),
		Window: pick(w, 48<<10, 256<<10, 2<<20), Ping: pick(w, 5*time.Second, 20*time.Second),
		Hold: pick(w, 5*time.Second, 20*time.Second), TTL: pick(w, 30*time.Second, 120*time.Second),
	}
	y.heldBound = int64(max(y.registry.Window, y.registry.MaxMessage*2) + y.registry.MaxMessage*2 + (64 << 10))
	for f := range simFaults {
		if w.rng.IntN(3) > 0 {
			y.add(w, f)
		}
	}
	return y
}

// add adds a kind of fault to the profile.
func (y *faultProfile) add(w *world, f simFault) {
	if f < phaseFaults {
		y.rates[f] = pick(w, 0.004, 0.02, 0.1)
		switch f {
		case faultRequestLost, faultDuplicate, faultLateCopy, faultReorder: // of POSTs only
			y.rates[f] *= 2
		case faultReplyLost, faultWrongReply, faultMisrouted: // of replies or new carriers only
			y.rates[f] *= 3
		default:
		}
		return
	}
	switch f {
	case faultMalformed, faultRestartServer, faultClose, faultRestartClient:
		if w.rng.IntN(2) == 0 {
			y.phase = append(y.phase, f)
		}
	case faultCap:
		y.phase = append(y.phase, f, f, f, f, f, f)
	case faultForce, faultHeld, faultKilledEarly, faultForgedUse, faultMove: // not each of these has an effect
		y.phase = append(y.phase, f, f, f, f)
	default:
		y.phase = append(y.phase, f)
	}
}

func (y *faultProfile) plan(w *world) int { return w.rng.IntN(y.messages) + 1 }

// meet applies the route to a new carrier. False: it is refused.
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
	case routeKillsEarly:
		if ca.kind == transport.KindSocket || ca.kind == transport.KindStream {
			w.fault(faultKilledEarly, "%s of %s", ca.kind, ca.c.name)
			w.after(4*ca.latency+200*time.Millisecond, func() { ca.cut(true, true) })
		}
	case routeOpen:
	}
	if r.held && ca.kind == transport.KindStream {
		w.fault(faultHeld, "stream of %s", ca.c.name)
		ca.held = true
	}
	return true
}

// stopFaults starts the quiet phase. From now on at least one transport works, with batches of 2
// KiB. The other routes may stay as they are, and so do the carriers that exist already.
func (w *world) stopFaults() {
	w.quiet = true
	for _, n := range w.nodes {
		n.refuse, n.busy = "", false
		n.r.draining.Store(false)
	}
	good := pick(w, w.profile.transports...)
	for name, r := range w.profile.routes {
		if name == good || name == transport.LongPoll && good == transport.SSE {
			*r = simRoute{maxBatch: r.maxBatch}
			if r.maxBatch > 0 {
				r.maxBatch = max(r.maxBatch, 2048)
			}
		}
	}
	if good == transport.SSE && !slices.Contains(w.profile.transports, transport.LongPoll) {
		w.profile.routes[transport.LongPoll].mode = routeOpen
	}
	for _, c := range w.clients {
		c.app.slowUntil = 0
	}
	for _, n := range w.nodes {
		for _, a := range n.apps {
			a.slowUntil = 0
		}
	}
}
