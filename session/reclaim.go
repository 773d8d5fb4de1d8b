package session

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// reclaimer makes room while the pool is short: it ends the sessions that hold bytes and make no
// progress on them.
type reclaimer struct {
	pool     *pool
	ttl      time.Duration
	sessions iter.Seq[*serverSession]
}

// run works only while the pool is short.
func (r *reclaimer) run() {
	for r.pool.isShort() {
		r.pool.divide()
		r.once(time.Now())
		time.Sleep(reclaimInterval)
	}
	r.pool.relax()
}

// stalled is a session that holds bytes and makes no progress on them.
type stalled struct {
	s      *serverSession
	booked int64
	since  time.Duration
	over   bool // its owner is over the share
}

// once ends sessions until the pool is not short, as far as there are any to end: first those
// without progress for ttl, then those of owners over their share, the largest first. A session
// within the share of its owner that makes progress is never ended.
func (r *reclaimer) once(now time.Time) {
	all := r.stalled(now)
	slices.SortFunc(all, func(a, b stalled) int {
		if old := cmp.Compare(btoi(b.since >= r.ttl), btoi(a.since >= r.ttl)); old != 0 {
			return old
		}
		return cmp.Compare(b.booked, a.booked)
	})
	for _, x := range all {
		if !r.pool.isShort() {
			return
		}
		if x.since >= r.ttl || x.over {
			x.s.update(func(time.Time) { x.s.machine.End(transport.CodeSlow, "the server needs the memory") })
		}
	}
}

func (r *reclaimer) stalled(now time.Time) (all []stalled) {
	for s := range r.sessions {
		s.mu.Lock()
		x := stalled{s: s, booked: s.booked, since: now.Sub(s.progressAt)}
		s.mu.Unlock()
		if x.booked > 0 && x.since >= minStall {
			x.over = s.isOver()
			all = append(all, x)
		}
	}
	return all
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
