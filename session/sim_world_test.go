package session

import (
	"container/heap"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// The simulation: one goroutine, virtual time, one seed. Real client machines and real Tables with their Sessions exchange encoded bytes over
// a network that does them harm. A world is one seed's run: a stormy time, then a calm one in which everything must arrive (I7).

// simStart is when every world begins.
var simStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

type world struct {
	seed       uint64
	rng        *rand.Rand
	at         time.Duration // virtual time since simStart
	queue      simQueue
	order      uint64
	steps      int
	counts     *simCounts
	log        io.Writer // nil: no trace
	weather    weather
	calm       bool
	nodes      []*simNode
	clients    []*simClient
	uids       uint64
	nonces     uint64
	remembered []byte // by the last client that learned something
	strays     int    // requests that reached another node than the session's
}

type simEvent struct {
	at    time.Duration
	order uint64
	run   func()
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = simEvent{}
	*q = old[:len(old)-1]
	return e
}

// simFailure is what a world panics with when an invariant is broken.
type simFailure struct{ what string }

func newWorld(seed uint64, counts *simCounts, log io.Writer) *world {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x686f6c6466617374)), counts: counts, log: log}
	w.weather = w.drawWeather()
	w.weather.habits = w.drawHabits()
	for i := range 2 {
		w.nodes = append(w.nodes, newSimNode(w, i))
	}
	return w
}

func (w *world) now() time.Time { return simStart.Add(w.at) }

// after runs f once d has passed.
func (w *world) after(d time.Duration, f func()) { w.when(w.at+max(d, 0), f) }

func (w *world) when(at time.Duration, f func()) {
	w.order++
	heap.Push(&w.queue, simEvent{max(at, w.at), w.order, f})
}

// maxSteps is far above what the busiest world needs: more is a loop without end.
const maxSteps = 3_000_000

// runUntil lets events happen until done says so or the time has come, and reports which.
func (w *world) runUntil(end time.Duration, done func() bool) bool {
	for len(w.queue) > 0 && w.queue[0].at <= end {
		if done != nil && done() {
			return true
		}
		e := heap.Pop(&w.queue).(simEvent)
		w.at = e.at
		e.run()
		if w.steps++; w.steps > maxSteps {
			w.fail("busy: %d events by %v of virtual time", w.steps, w.at)
		}
	}
	if done != nil && done() {
		return true
	}
	w.at = max(w.at, end)
	return false
}

func (w *world) fail(format string, args ...any) {
	if w.log != nil {
		w.dump()
	}
	panic(simFailure{fmt.Sprintf(format, args...)})
}

func (w *world) tracef(format string, args ...any) {
	if w.log != nil {
		fmt.Fprintf(w.log, "%10.4f  %s\n", w.at.Seconds(), fmt.Sprintf(format, args...))
	}
}

// fault counts a fault and traces it.
func (w *world) fault(kind simFault, format string, args ...any) {
	w.counts.faults[kind]++
	if w.log != nil {
		w.tracef("FAULT %s: %s", kind, fmt.Sprintf(format, args...))
	}
}

// chance is true with probability p, never when it is calm.
func (w *world) chance(p float64) bool { return p > 0 && !w.calm && w.rng.Float64() < p }

// between draws a time.
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

// draw makes an id of 22 characters.
func (w *world) draw() string {
	return fmt.Sprintf("%06x%016x", w.rng.Uint32()&0xffffff, w.rng.Uint64())
}

func (w *world) nonce() string {
	w.nonces++
	return fmt.Sprintf("n%021d", w.nonces)
}

const (
	stormAtMost = 150 * time.Second
	calmBound   = 90 * time.Second // I7: after the faults have stopped something arrives within that time, until all has
	calmAtMost  = 2 * time.Hour
	closeBound  = 150 * time.Second // two attempts to reach a server that has forgotten the session, behind the longest back-off
	leakBound   = 400 * time.Second // ttl, grace and idle times are over by then
)

// run is the whole life of a world.
func (w *world) run() {
	clients := 1
	if w.rng.IntN(3) == 0 {
		clients = 2 + w.rng.IntN(2)
	}
	for range clients {
		c := newSimClient(w)
		w.after(w.between(0, time.Second), c.start)
	}
	w.storms()
	w.runUntil(w.between(10*time.Second, stormAtMost), w.allSent)
	w.tracef("---- calm: the faults stop")
	w.becomeCalm()
	for sum := w.arrived(); !w.runUntil(w.at+calmBound, w.settled); sum = w.arrived() {
		if w.arrived() == sum || w.at > calmAtMost {
			w.fail("no progress (I7): %s", w.unsettled())
		}
	}
	w.tracef("---- closing")
	for _, c := range w.clients {
		w.after(w.between(0, 200*time.Millisecond), c.close)
	}
	if !w.runUntil(w.at+closeBound, w.allOver) {
		w.fail("no end: a session that was closed lives on")
	}
	w.runUntil(w.at+leakBound, nil)
	w.checkEnds()
}

// allSent: a storm may end early when everybody has sent everything, so that few seeds idle.
func (w *world) allSent() bool {
	if w.at < 8*time.Second {
		return false
	}
	for _, c := range w.clients {
		if !c.gone && !c.over() && !c.app.sentAll() {
			return false
		}
	}
	return w.rng.IntN(400) == 0
}

// arrived grows with every line that is received or acknowledged.
func (w *world) arrived() (sum uint64) {
	for _, c := range w.clients {
		sum += c.m.in.recv + c.m.out.base
		if s := c.session(); s != nil {
			sum += s.s.server.in.recv + s.s.server.out.base
		}
	}
	return sum
}

func (w *world) settled() bool { return w.unsettled() == "" }

// unsettled names the first session that has not yet delivered everything.
func (w *world) unsettled() string {
	for _, c := range w.clients {
		if why := c.unsettled(); why != "" {
			return why
		}
	}
	return ""
}

func (w *world) allOver() bool {
	for _, c := range w.clients {
		if !c.gone && !c.over() {
			return false
		}
	}
	return true
}

// checkEnds looks at what is left: fates that were told must still be true, and nothing may be kept for sessions that are over (I6).
func (w *world) checkEnds() {
	for _, c := range w.clients {
		c.app.checkFates()
	}
	for _, n := range w.nodes {
		for _, a := range n.apps {
			a.checkFates()
		}
		if n.t.Len() != 0 || n.t.Retained() != 0 {
			w.fail("I6: %s keeps %d sessions and %d bytes although every client has gone", n.name, n.t.Len(), n.t.Retained())
		}
	}
}

// simBytes copies a batch as the network sees it.
func simBytes(b *outBatch) []byte {
	out := make([]byte, 0, b.size)
	for _, p := range b.parts {
		out = append(out, p...)
	}
	return out
}

func simBatch(binary bool, data []byte) transport.Batch {
	return transport.Batch{Binary: binary, Parts: [][]byte{data}}
}
