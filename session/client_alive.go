package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// step judges every deadline by the clock it is given and plans the next (HF1-LIV-07). It runs after every event.
func (m *clientMachine) step(now time.Time) {
	m.late(now)
	m.again = true
	for i := 0; m.again && m.over == nil && i < 8; i++ { // what one rule changes another has to judge; a few times is all it takes
		m.again = false
		m.judge(now)
	}
	if m.over != nil {
		m.deadline = time.Time{}
		return
	}
	m.pump(now)
}

func (m *clientMachine) judge(now time.Time) {
	m.deadline = time.Time{}
	if p := m.cur; p != nil && p.state == pathOpen && m.out.fits(m.position(p)+1, m.win) {
		m.active(now) // lines go out now, and what the server promises from then on is judged below
	}
	for i := len(m.paths) - 1; i >= 0 && m.over == nil; i-- {
		m.alive(m.paths[i], now)
	}
	for i := len(m.conns) - 1; i >= 0; i-- {
		if c := m.conns[i]; m.due(now, c.by) { // HF1-LIV-06
			m.hangup(c, transport.CodeIdle)
			m.pollAnew(c.path)
			m.postFailed(c, errNoAnswer, now)
			i = min(i, len(m.conns)) // postFailed may have ended the path and its other carriers
		}
	}
	if p := m.sound(); p != nil {
		m.works(p, now)
		m.stalled(p, now)
		m.aged(p, now)
	}
	m.connect(now)
	m.better(now)
	m.tidy(now)
	m.ending(now)
	m.remember(now)
}

// due: the time has come. If not, it is a deadline to wake for.
func (m *clientMachine) due(now, at time.Time) bool { return due(&m.deadline, now, at) }

const (
	attachBy    = 10 * time.Second
	provenAfter = 10 * time.Second
	activeFor   = 30 * time.Second
)

// alive judges one path.
func (m *clientMachine) alive(p *clientPath, now time.Time) {
	if p.state == pathOpening {
		if m.due(now, p.heard.Add(attachBy)) {
			m.kill(p, transport.CodeIdle, m.unopened(p), now)
		}
		return
	}
	if !p.proven && p.pongs > 0 && p.beaconBy.IsZero() && !p.suspect && m.due(now, p.openedAt.Add(provenAfter)) {
		if p == m.cur || p.pongs > 1 {
			p.proven, m.again = true, true
			m.race.tries = 0
			p.way.proved()
			m.trace("proven", p, "")
		} else if p.pingI == 0 { // a path that stands by proves that it still answers
			m.pingPath(p, now)
		}
	}
	if p.proven && !p.suspect && p.way.rests > 0 && m.due(now, p.openedAt.Add(settledAfter)) { // HF1-LIV-13
		p.way.rests = 0
	}
	if m.due(now, p.beaconBy) && !p.suspect { // HF1-SSE-03
		if !m.blameless(p, now) {
			p.way.takeRest(now)
		}
		m.doubt(p, p.heldBack(), now)
	}
	if !p.useBy.IsZero() && m.due(now, p.useAt) {
		m.sayUse(p, now)
	}
	if m.due(now, p.useBy) { // a use asks for an answer as a ping does (HF1-LIV-04)
		m.unanswered(p, "use unanswered", now)
	}
	m.ask(p, now)
	if p.way.name != transport.LongPoll && !p.suspect {
		if m.due(now, m.silentAt(now, p)) { // HF1-LIV-05
			m.doubt(p, "silent", now)
		}
	}
}

// silentAt is when a path has said nothing for longer than the server promised. It promised more when lines began to come or go.
func (m *clientMachine) silentAt(now time.Time, p *clientPath) time.Time {
	if p != m.cur || !m.isActive(now) {
		return p.heard.Add(m.ping*3/2 + 5*time.Second)
	}
	return latest(p.heard, m.activeAt).Add(5750 * time.Millisecond)
}

// isActive: log lines came or went within 30 s, so the server pings more often.
func (m *clientMachine) isActive(now time.Time) bool {
	return !m.lastLog.IsZero() && now.Sub(m.lastLog) < activeFor
}

// active books that log lines come or go.
func (m *clientMachine) active(now time.Time) {
	if !m.isActive(now) {
		m.activeAt = now
	}
	m.lastLog = now
}

// hangs is how long an attempt may take before it hangs.
func (m *clientMachine) hangs() time.Duration { return max(patienceLeast, 4*m.rtt) }

// patience is how long lines may go without any sign that they arrive.
func (m *clientMachine) patience() time.Duration { return max(m.hangs(), m.slow) }

// slower: nothing was answered in time, so be three times as patient until the round trip is measured anew (HF1-LIV-06).
func (m *clientMachine) slower() { m.slow = min(3*m.patience(), patienceMost) }

const (
	patienceLeast = 2 * time.Second
	patienceMost  = 10 * time.Second // but for four round trips
	rttMost       = 5 * time.Second  // longer ones are a host's that was suspended, or no network for a session
)

// works: what works is the best, once it is proven, and shows that what did not open is at fault itself.
func (m *clientMachine) works(p *clientPath, now time.Time) {
	if p.proven && !p.charged {
		m.best = p.way
	}
	for _, w := range m.ways {
		if w.failed && w != p.way {
			w.takeRest(now)
		}
	}
}

// stalled: a reply says that the down path has lost something.
func (m *clientMachine) stalled(p *clientPath, now time.Time) {
	if m.sentDown <= m.in.recv || !m.due(now, m.sentAt.Add(m.patience())) {
		return
	}
	m.sentDown = m.in.recv
	if p.way.name == transport.LongPoll {
		m.pollAnew(p)
	} else {
		m.doubt(p, "lines missing", now)
	}
}

// doubt takes a path for perhaps dead: if it is the one in use another is opened beside it, else it is dropped.
func (m *clientMachine) doubt(p *clientPath, reason string, now time.Time) {
	if p.suspect {
		return
	}
	m.trace("suspect", p, reason)
	p.charged = m.cut(p, false, now) || p.charged
	if p != m.cur {
		m.kill(p, transport.CodeIdle, reason, now)
		return
	}
	p.suspect, m.again = true, true
	if !p.charged {
		m.died(p, now)
		p.way.limit.lost(&p.underway)
		p.charged = true // booked: its end is not charged twice
	}
	m.race.from(now)
}

// unanswered: a path that was asked in vain may be dead, or slower than was thought.
func (m *clientMachine) unanswered(p *clientPath, reason string, now time.Time) {
	if !p.suspect {
		m.slower()
	}
	m.doubt(p, reason, now)
}

// move leaves a path before it fails: another is attached beside it and selected when it is open. No pong keeps the old one.
func (m *clientMachine) move(p *clientPath, reason string, now time.Time) {
	p.charged, p.pingI = true, 0 // nothing is wrong with it
	m.doubt(p, reason, now)
}

// latest is the later one.
func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// millis reads a time of the wire, at most a year of it.
func millis(n uint64) time.Duration {
	return time.Duration(min(n, 365*24*3600*1000)) * time.Millisecond
}

func clamp(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }
