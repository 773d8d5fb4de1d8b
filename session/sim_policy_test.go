package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// networkPolicy is what the network always does to the carriers of one transport, in the quiet
// phase too. A client can learn it.
type networkPolicy struct {
	age   time.Duration // a WebSocket or a stream ends at this age; 0: no limit
	idle  time.Duration // it ends when it is idle for this time; 0: no limit
	quiet bool          // neither end sees that it ended
}

// drawPolicies gives network policies to a third of the worlds.
func (w *world) drawPolicies() map[string]networkPolicy {
	policies := map[string]networkPolicy{}
	if w.rng.IntN(3) > 0 {
		return policies
	}
	for _, name := range []string{transport.WebSocket, transport.SSE} {
		policies[name] = networkPolicy{
			age:  pick(w, 0, 13*time.Second, 20*time.Second, 40*time.Second),
			idle: pick(w, 0, 2500*time.Millisecond, 4*time.Second, 12*time.Second), quiet: w.rng.IntN(2) == 0,
		}
	}
	return policies
}

// applyPolicy ends a new carrier when it is too old, or idle for too long.
func (ca *simCarrier) applyPolicy() {
	p := ca.w.profile.policies[ca.transport]
	if ca.kind != transport.KindSocket && ca.kind != transport.KindStream {
		return
	}
	if p.age > 0 {
		ca.w.after(p.age, func() { ca.expire(p, "old") })
	}
	if p.idle > 0 {
		ca.watch(p)
	}
}

// watch ends the carrier when it is idle for too long.
func (ca *simCarrier) watch(p networkPolicy) {
	switch at := ca.passed + p.idle; {
	case ca.dead || !ca.open:
	case at <= ca.w.at:
		ca.expire(p, "idle")
	default:
		ca.w.when(at, func() { ca.watch(p) })
	}
}

// expire ends a carrier, as the policy says.
func (ca *simCarrier) expire(p networkPolicy, why string) {
	if ca.dead || !ca.open {
		return
	}
	ca.w.counts.policies[why]++
	ca.w.tracef("%s %d of %s is too %s", ca.kind, ca.id, ca.c.name, why)
	if p.quiet {
		ca.holeUp, ca.holeDown = true, true
		return
	}
	ca.cut(true, true)
}
