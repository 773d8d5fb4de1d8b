package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

const (
	unrepeatedFor = 20 * time.Second
	standbyFor    = 30 * time.Second
	activePing    = 5 * time.Second
)

// step judges every deadline, plans the next, and wakes the carriers that have something to write.
func (m *serverMachine) step(now time.Time) {
	m.deadline = time.Time{}
	if m.over != nil {
		return
	}
	switch {
	case !m.repeated && m.due(now, m.born.Add(unrepeatedFor)): // HF1-WHO-10
		m.forget = true
		m.finish(ending{code: transport.CodeExpired, reason: "never attached"})
	case m.due(now, m.heard.Add(m.cfg.ttl)): // HF1-LIV-08
		m.finish(ending{code: transport.CodeExpired, reason: "ttl"})
	case m.out.closing != 0 && (m.out.base >= m.out.closing || m.due(now, m.closeBy)): // HF1-CLO-04
		m.finish(m.own)
	}
	if m.over != nil {
		return
	}
	for i := len(m.paths) - 1; i >= 0; i-- {
		m.alive(m.paths[i], now)
	}
	m.ackTimer(now)
	for _, p := range m.paths {
		m.rouse(p, now)
	}
}

func (m *serverMachine) due(now, at time.Time) bool { return due(&m.deadline, now, at) }

// alive judges one path: pings that are due, clients that do not answer, standbys that nobody wants.
func (m *serverMachine) alive(p *serverPath, now time.Time) {
	if p != m.sel && m.due(now, p.standby.Add(standbyFor)) { // HF1-SEL-08
		m.endPath(p, transport.CodeDetached)
		return
	}
	if p.carried >= 2*m.cfg.streamMost && p.kind == transport.KindStream { // HF1-SSE-07
		m.limit(p).lost(&p.underway) // it may have died of it, and its end would no longer be noticed (I7)
		m.endPath(p, transport.CodeRotate)
		return
	}
	if p.kind == transport.KindOpen { // HF1-LIV-03
		if len(p.polls) == 0 && m.due(now, m.idleAt(p)) {
			m.limit(p).lost(&p.underway)
			m.endPath(p, transport.CodeIdle)
		}
		return
	}
	every := m.cfg.ping
	if now.Sub(m.lastLog) < activeFor {
		every = min(every, activePing)
		m.due(now, m.lastLog.Add(activeFor))
	}
	if !m.due(now, p.spoke.Add(every)) {
		return
	}
	if p.unanswered >= 2 { // HF1-LIV-03
		m.limit(p).lost(&p.underway)
		m.endPath(p, transport.CodeIdle)
		return
	}
	m.pings++
	p.unanswered++
	p.pingI, p.pingAt, p.spoke = m.pings, now, now
	p.ctl = m.greased(appendControl(p.ctl, true, "ping", pingControl{I: m.pings}))
	m.due(now, now.Add(every))
}

// ackTimer plans the ack that rides alone (HF1-NUM-11). A long poll has nothing to carry it: the reply to the client's next request does.
func (m *serverMachine) ackTimer(now time.Time) {
	switch {
	case m.in.taken == m.in.told || m.sel == nil:
		m.ackAt = time.Time{}
		return
	case m.in.ackDue(m.cfg.win):
		m.ackAt = now
	case m.ackAt.IsZero():
		delay := 250 * time.Millisecond
		if m.sel.kind == transport.KindSocket {
			delay = 100 * time.Millisecond
		}
		m.ackAt = now.Add(delay)
	}
	m.due(now, m.ackAt)
}

// rouse wakes what has something to write.
func (m *serverMachine) rouse(p *serverPath, now time.Time) {
	if p.conn != nil && m.hasOutput(p, now) {
		m.wake = append(m.wake, p.conn)
	}
	if len(p.polls) == 0 {
		return
	}
	if m.hasOutput(p, now) || m.due(now, p.pollBy) { // HF1-POL-03
		for _, c := range p.polls { // the same answer for each copy (HF1-POL-02)
			c.ready, c.pos, c.ctl = true, p.pos, append(c.ctl, p.ctl...)
			m.wake = append(m.wake, c)
		}
		p.polls, p.ctl = nil, nil
		m.due(now, m.idleAt(p))
	}
}

// idleAt is when a long-poll attachment without a request has been silent for too long (HF1-LIV-03).
func (m *serverMachine) idleAt(p *serverPath) time.Time {
	return p.heard.Add(m.cfg.hold + 2*m.cfg.ping)
}

// hasOutput: controls, beacons, lines that the window lets go, or an ack that is due.
func (m *serverMachine) hasOutput(p *serverPath, now time.Time) bool {
	switch {
	case len(p.ctl) > 0:
		return true
	case p.beacon == 1, p.beacon > 1 && m.due(now, p.beaconAt):
		return true
	case p != m.sel:
		return false
	}
	return m.out.fits(p.pos+1, m.cfg.win) || !m.ackAt.IsZero() && !now.Before(m.ackAt)
}

// endPath tells the client that a path is gone and ends it.
func (m *serverMachine) endPath(p *serverPath, code transport.Code) {
	p.ctl = appendControl(p.ctl, true, "detach", detachControl{Code: uint64(code), Gone: true})
	m.observe("detach", p, "", 1)
	m.lastWords(p, code)
	m.removePath(p)
}

// lastWords lets a path's carriers say what it still has to say, and end.
func (m *serverMachine) lastWords(p *serverPath, code transport.Code) {
	for _, c := range append(p.polls, p.conn) {
		if c == nil {
			continue
		}
		c.ctl, c.why = append(c.ctl, p.ctl...), code
		c.path, c.ready, c.empty, c.done = nil, true, true, true
		m.wake = append(m.wake, c)
	}
	p.polls, p.conn, p.ctl = nil, nil, nil
}

// removePath takes a path out of the books. Its att stays ended.
func (m *serverMachine) removePath(p *serverPath) {
	for i, x := range m.paths {
		if x == p {
			m.paths = append(m.paths[:i], m.paths[i+1:]...)
			break
		}
	}
	if m.sel == p {
		m.sel = nil
	}
}

// endConn ends a carrier that another has replaced, without a word.
func (m *serverMachine) endConn(c *serverConn) {
	if c != nil {
		c.path, c.ready, c.empty, c.done, c.why = nil, true, true, true, transport.CodeSuperseded
		m.wake = append(m.wake, c)
	}
}
