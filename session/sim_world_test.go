package session

import (
	"container/heap"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/transport"
)

// The simulation has one goroutine, virtual time, and one seed. Real client machines and real
// Registries with their Sessions exchange encoded bytes over a network with faults. A world is the
// run of one seed: a fault phase, then a quiet phase in which everything must arrive (I7).

// simStart is when every world starts.
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
	profile    faultProfile
	quiet      bool // the fault phase is over
	nodes      []*simNode
	clients    []*simClient
	uids       uint64
	nonces     uint64
	remembered []byte // by the last client that learned something
	misrouted  int    // requests that went to a node other than the session's
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

// simFailure is the panic of a world in which an invariant does not hold.
type simFailure struct{ what string }

func newWorld(seed uint64, counts *simCounts, log io.Writer) *world {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x686f6c6466617374)), counts: counts, log: log}
	w.profile = w.drawProfile()
	w.profile.policies = w.drawPolicies()
	for i := range 2 {
		w.nodes = append(w.nodes, newSimNode(w, i))
	}
	return w
}

func (w *world) now() time.Time { return simStart.Add(w.at) }

// after runs f when d has passed.
func (w *world) after(d time.Duration, f func()) { w.when(w.at+max(d, 0), f) }

func (w *world) when(at time.Duration, f func()) {
	w.order++
	heap.Push(&w.queue, simEvent{max(at, w.at), w.order, f})
}

// maxSteps is far more than the busiest world needs, so more steps are an endless loop.
const maxSteps = 3_000_000

// runUntil runs events until done is true or the time is over. It reports whether done is true.
func (w *world) runUntil(end time.Duration, done func() bool) bool {
	for len(w.queue) > 0 && w.queue[0].at <= end {
		if done != nil && done() {
			return true
		}
		e := heap.Pop(&w.queue).(simEvent)
		w.at = e.at
		e.run()
		if w.steps++; w.steps > maxSteps {
			w.fail("endless: %d events in %v of virtual time", w.steps, w.at)
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

// chance is true with probability p, never in the quiet phase.
func (w *world) chance(p float64) bool { return p > 0 && !w.quiet && w.rng.Float64() < p }

// between is a random time.
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

// draw is a random id of 22 characters.
func (w *world) draw() string {
	return fmt.Sprintf("%06x%016x", w.rng.Uint32()&0xffffff, w.rng.Uint64())
}

func (w *world) nonce() string {
	w.nonces++
	return fmt.Sprintf("n%021d", w.nonces)
}

const (
	maxFaultPhase = 150 * time.Second
	// progressBound is I7: in the quiet phase something arrives within that time, until all has
	// arrived.
	progressBound = 90 * time.Second
	maxQuietPhase = 2 * time.Hour
	// closeBound is enough for the longest back-off and two attempts. A server that has lost the
	// session must say so twice.
	closeBound = 150 * time.Second
	leakBound  = 400 * time.Second // longer than the ttl, close and idle timeouts
)

// run runs a world from its start to its end.
func (w *world) run() {
	clients := 1
	if w.rng.IntN(3) == 0 {
		clients = 2 + w.rng.IntN(2)
	}
	for range clients {
		c := newSimClient(w)
		w.after(w.between(0, time.Second), c.start)
	}
	w.faultPhase()
	w.runUntil(w.between(10*time.Second, maxFaultPhase), w.allSent)
	w.tracef("---- quiet: the faults stop")
	w.stopFaults()
	for sum := w.arrived(); !w.runUntil(w.at+progressBound, w.delivered); sum = w.arrived() {
		if w.arrived() == sum || w.at > maxQuietPhase {
			w.fail("no progress (I7): %s", w.undelivered())
		}
	}
	w.tracef("---- closing")
	for _, c := range w.clients {
		w.after(w.between(0, 200*time.Millisecond), c.close)
	}
	if !w.runUntil(w.at+closeBound, w.allOver) {
		w.fail("no end: a session was closed and is not over")
	}
	w.runUntil(w.at+leakBound, nil)
	w.checkEnds()
}

// allSent reports that everything was sent. Then the fault phase may end early, which saves time.
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

// arrived is the number of lines that were received or acknowledged.
func (w *world) arrived() (sum uint64) {
	for _, c := range w.clients {
		sum += c.m.Snapshot().Received + c.m.Acked()
		if s := c.session(); s != nil {
			sum += s.m.Snapshot().Received + s.m.Acked()
		}
	}
	return sum
}

func (w *world) delivered() bool { return w.undelivered() == "" }

// undelivered names the first session that has not yet delivered everything.
func (w *world) undelivered() string {
	for _, c := range w.clients {
		if why := c.undelivered(); why != "" {
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

// checkEnds checks the world at its end. What a session's end said must still be true, and nothing
// may be kept for sessions that are over (I6).
func (w *world) checkEnds() {
	for _, c := range w.clients {
		c.app.checkFates()
	}
	for _, n := range w.nodes {
		for _, a := range n.apps {
			a.checkFates()
		}
		if n.r.Len() != 0 || n.r.Retained() != 0 {
			w.fail("I6: %s keeps %d sessions and %d bytes although no client is left",
				n.name, n.r.Len(), n.r.Retained())
		}
	}
}

// simBytes is a copy of the batch's bytes.
func simBytes(b *logs.Batch) []byte {
	out := make([]byte, 0, b.Size())
	for _, p := range b.Batch().Parts {
		out = append(out, p...)
	}
	return out
}

func simBatch(binary bool, data []byte) transport.Batch {
	return transport.Batch{Binary: binary, Parts: [][]byte{data}}
}
