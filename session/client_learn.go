package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// What kills paths is learned from how they die. One death is chance; two alike are a rule of the network's. See docs/decisions/0005.

const (
	idleLeast = 2 * time.Second  // a shorter silence kills no path
	ageLeast  = 12 * time.Second // a path that dies younger is taken for bad, not for old
	askLeast  = time.Second
	pollLeast = 3 * time.Second // a poll that fails sooner did not hang for too long
	holdLeast = 5 * time.Second
	askLate   = time.Second // so long after the server's promise the path is asked
)

// last is when a byte last went over the path's own carrier, either way. What is posted for a stream goes another.
func (p *clientPath) last() time.Time {
	if p.spoke.After(p.heard) {
		return p.spoke
	}
	return p.heard
}

// speaks books that a byte goes out, or that one is asked for, and the silence before it.
func (p *clientPath) speaks(now time.Time) { p.gap = max(p.gap, now.Sub(p.last())) }

// hears books that a byte has come: the path lived through the silence before it.
func (p *clientPath) hears(now time.Time) {
	p.speaks(now)
	p.endured, p.gap, p.heard = max(p.endured, p.gap), 0, now
}

// cut learns from the end of a path that was open, and tells whether that is a new thing to know. visible: the carrier has ended; else the
// client no longer believes in it.
func (m *clientMachine) cut(p *clientPath, visible bool, now time.Time) bool {
	if p.openedAt.IsZero() || p.charged || !p.beaconBy.IsZero() || p.way.name == transport.LongPoll || m.blameless(p, now) {
		return false
	}
	silence, end := p.gap, p.heard
	switch {
	case visible:
		silence, end = max(silence, now.Sub(p.last())), now
	case silence == 0: // nobody was asked: what the server had promised to say did not come
		silence = min(now.Sub(p.heard), m.promised(p, now))
	}
	before := p.way.silence
	p.way.silence = silence
	if silence >= idleLeast && silence > p.endured { // a silence that it lived through before did not kill it
		return agree(silence, before, 4) && lower(&p.way.idle, min(silence, before)) // HF1-LIV-16
	}
	age := end.Sub(p.openedAt)
	if age < ageLeast {
		return false
	}
	before = p.way.lived
	p.way.lived = age
	return agree(age, before, 10) && lower(&p.way.age, min(age, before)) // HF1-LIV-17
}

// agree: a is within a part-th of b.
func agree(a, b time.Duration, part time.Duration) bool { return b > 0 && max(a-b, b-a) <= b/part }

// lower keeps the lower one, and tells whether it is new.
func lower(known *time.Duration, d time.Duration) bool {
	if *known > 0 && d >= *known {
		return false
	}
	*known = d
	return true
}

// holdOf is how long a poll may hang: as long as the server says, or as is known to work.
func (m *clientMachine) holdOf(w *clientWay) time.Duration {
	if w.hold > 0 {
		return min(m.hold, w.hold)
	}
	return m.hold
}

// holdFailed learns from a poll that failed how long the next may hang, and tells whether that explains the failure (HF1-POL-08).
func (m *clientMachine) holdFailed(c *clientConn, now time.Time) bool {
	w, lasted := c.path.way, now.Sub(c.born)
	if c.kind != transport.KindPoll || lasted < pollLeast || m.blameless(c.path, now) {
		return false
	}
	hold := m.holdOf(w)
	return lower(&w.hold, max(min(lasted, hold)*7/10, holdLeast)) && lasted < hold
}

// promised is how long the server may say nothing (HF1-LIV-01).
func (m *clientMachine) promised(p *clientPath, now time.Time) time.Duration {
	if p == m.cur && m.isActive(now) {
		return min(m.ping, activePing)
	}
	return m.ping
}

// ask pings a path before it has been silent for so long that it would die, and the path in use when the server is late.
func (m *clientMachine) ask(p *clientPath, now time.Time) {
	if p.way.name == transport.LongPoll || p.suspect || p.pingI != 0 || !p.leaveBy.IsZero() {
		return
	}
	at := time.Time{}
	if p == m.cur && !m.isActive(now) { // HF1-LIV-18; while lines come and go silence alone is enough
		at = p.heard.Add(m.ping + askLate)
	}
	if idle := p.way.idle; idle > 0 { // HF1-LIV-16
		if early := p.last().Add(max(idle/2, askLeast)); at.IsZero() || early.Before(at) {
			at = early
		}
	}
	if m.due(now, at) {
		m.pingPath(p, now)
		m.again = true
	}
}

// rotate attaches anew, over the same transport, beside a path in use that will soon die of age, and selects the fresh one as soon as it
// is open: the old one has no time for proofs (HF1-LIV-17).
func (m *clientMachine) rotate(now time.Time) {
	p := m.cur
	if p == nil || p.suspect || p.useU != 0 || m.waitAuth || m.out.closing != 0 || m.peerClosed != nil {
		return
	}
	at := p.rotateAt
	if at.IsZero() && p.way.age > 0 && p.way.name != transport.LongPoll {
		at = p.openedAt.Add(p.way.age * 8 / 10)
	}
	if fresh := m.fresh(p); fresh != nil && !p.rotateAt.IsZero() {
		if fresh.state == pathOpen {
			m.use(fresh, now)
		}
		return
	}
	if !m.due(now, at) {
		return
	}
	again := !p.rotateAt.IsZero()
	p.rotateAt = now.Add(attachBy)
	m.due(now, p.rotateAt)
	if again { // the same transport does not open: any other, then
		p.charged = true // it is not at fault
		m.doubt(p, "not replaced", now)
		return
	}
	m.makeRoom(now)
	if len(m.paths) < maxPaths {
		m.attach(p.way, 0, now)
	}
}

// fresh is the path that is to take the place of p.
func (m *clientMachine) fresh(p *clientPath) *clientPath {
	for _, q := range m.paths {
		if q != p && q.way == p.way && q.leaveBy.IsZero() && !q.suspect {
			return q
		}
	}
	return nil
}
