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
	if visible {
		silence, end = max(silence, now.Sub(p.last())), now
	} else if silence == 0 { // nobody was asked
		return false
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
		return min(m.hold, max(w.hold, holdLeast))
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

// ask pings a path before it has been silent for so long that it would die, and the path in use when the server is late or nothing moves.
// Without an answer the path in use is in doubt; an ack is as good an answer as a pong (HF1-LIV-04).
func (m *clientMachine) ask(p *clientPath, now time.Time) {
	if p.suspect {
		return
	}
	if p.pingI != 0 {
		if p == m.cur && m.due(now, latest(p.pingAt, m.progress).Add(m.patience())) {
			m.noPong(p, now)
		}
		return
	}
	at := time.Time{}
	by := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if p == m.cur && m.out.base < m.out.last() {
		by(m.progress.Add(m.patience()))
	}
	if p.way.name != transport.LongPoll && p.leaveBy.IsZero() {
		if p == m.cur && !m.isActive(now) { // HF1-LIV-18; while lines come and go silence alone is enough
			by(p.heard.Add(m.ping + askLate))
		}
		if idle := p.way.idle; idle > 0 { // HF1-LIV-16
			by(p.last().Add(max(idle/2, askLeast)))
		}
	}
	if m.due(now, at) {
		m.pingPath(p, now)
		m.again = true
	}
}

// noPong judges a path in use that has not answered a ping.
func (m *clientMachine) noPong(p *clientPath, now time.Time) {
	if p.faults > 0 && p.outlives(p.pingAt) {
		m.mute(p, p.pingAt, "no pong", now)
	} else {
		m.unanswered(p, "no pong", now)
	}
}

// outlives: the stream was heard after what was asked by POST then, and was not answered.
func (p *clientPath) outlives(asked time.Time) bool {
	return p.way.name == transport.SSE && p.heard.After(asked)
}

// mute gives up a path whose POSTs are not answered. A stream that outlives them is not dead: they may be waiting for the very connection that
// it holds, so it goes at once, and rests (HF1-SSE-09). Or all answers take that long here, and the next path gives them more time (HF1-LIV-06).
func (m *clientMachine) mute(p *clientPath, asked time.Time, reason string, now time.Time) {
	if now.Sub(asked) >= m.patience() && !p.suspect {
		m.slower()
	}
	code := transport.CodeFault
	if p.outlives(asked) {
		p.way.takeRest(now)
		code = transport.CodeDetached
	}
	m.kill(p, code, reason, now)
}

// aged leaves a path in use that will soon die of age (HF1-LIV-17).
func (m *clientMachine) aged(p *clientPath, now time.Time) {
	age := p.way.age
	if age > 0 && p.way.name != transport.LongPoll && p.useBy.IsZero() && m.mayMove() && m.due(now, p.openedAt.Add(max(age*8/10, ageLeast*8/10))) {
		m.move(p, "age", now)
	}
}
