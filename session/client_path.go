package session

import (
	"errors"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

type pathState uint8

const (
	pathOpening pathState = iota
	pathOpen
	pathGone
)

// clientPath is one attachment as the client sees it.
type clientPath struct {
	att   uint64
	way   *clientWay
	state pathState
	u     uint64 // the selection its open carried; 0: it stands by

	down      *clientConn // what carries it: WebSocket, stream, hanging poll; nil between polls
	up        *clientConn // its POST under way, on HTTP
	challenge string
	pos       uint64        // on a WebSocket: the last up line written
	ctl       []byte        // controls to write
	p         uint64        // polls sent
	pollAt    time.Time     // the next poll waits until then
	pause     time.Duration // how long POSTs wait after one that was refused (HF1-POL-09)
	postAt    time.Time     // and until when

	useAt time.Time // a use that is not confirmed is said again then
	useBy time.Time // it should be confirmed by then; zero: there is none

	born, openedAt time.Time
	heard          time.Time     // last batch
	spoke          time.Time     // last frame, on a WebSocket
	gap            time.Duration // the longest silence since heard that this side ended
	endured        time.Duration // the longest silence that the path lived through
	pingI          uint64        // ping under way
	pingAt         time.Time
	pongs          int
	beaconBy       time.Time
	beacons        uint64 // the last beacon read
	proven         bool
	charged        bool // its transport was charged with its death, or is not to be
	suspect        bool // it may be dead: open beside
	detached       bool // the server said so: no more data here
	faults         int  // failed POSTs in a row
	strays         int  // POSTs in a row that another server has answered
	leaveBy        time.Time
	underway       underway
}

// clientConn is one carrier of a path.
type clientConn struct {
	id    int
	kind  transport.Kind
	path  *clientPath
	born  time.Time
	by    time.Time // deadline, for POSTs
	first bool      // its first batch is not written yet
	ctl   []byte    // the controls its body carries: said again if it fails
}

// say queues a control for the path.
func (p *clientPath) say(name string, v any) { p.ctl = appendControl(p.ctl, true, name, v) }

func (p *clientPath) socket() bool { return p.way.name == transport.WebSocket }

// heldBack tells what was done to a stream whose beacons did not come in time (HF1-SSE-08): its first bytes passed, and no more until a
// buffer fills, or each event comes with the next.
func (p *clientPath) heldBack() string {
	if p.beacons == 0 {
		return "threshold"
	}
	return "one-behind"
}

// unopened tells why an attempt is given up: a stream of which nothing comes beside a path in use is held back whole (HF1-SSE-08).
func (m *clientMachine) unopened(p *clientPath) string {
	if p.way.name == transport.SSE && m.cur != nil {
		return "held"
	}
	return "no answer"
}

// dial opens a carrier for a path.
func (m *clientMachine) dial(p *clientPath, kind transport.Kind, now time.Time, by time.Time) *clientConn {
	m.ids++
	c := &clientConn{id: m.ids, kind: kind, path: p, born: now, by: by, first: true}
	m.conns = append(m.conns, c)
	m.actions = append(m.actions, action{kind: actDial, conn: c.id, carrier: kind, transport: p.way.name})
	return c
}

// hangup drops a carrier whose outcome no longer matters.
func (m *clientMachine) hangup(c *clientConn, code transport.Code) {
	if c == nil || !m.forget(c) {
		return
	}
	m.actions = append(m.actions, action{kind: actHangup, conn: c.id, code: code})
}

// forget removes a carrier from the books and reports whether it was there.
func (m *clientMachine) forget(c *clientConn) bool {
	for i, x := range m.conns {
		if x == c {
			m.conns = append(m.conns[:i], m.conns[i+1:]...)
			if c.path.down == c {
				c.path.down = nil
			}
			if c.path.up == c {
				c.path.up = nil
			}
			return true
		}
	}
	return false
}

// kill ends a path that broke or is no longer wanted, and charges its transport if it died young (HF1-LIV-09).
func (m *clientMachine) kill(p *clientPath, code transport.Code, reason string, now time.Time) {
	if p.state == pathGone {
		return
	}
	m.trace("died", p, reason)
	if code == transport.CodeFault || code == transport.CodeIdle || code >= 4300 { // 4004 and the like are no fault of the transport
		m.died(p, now)
		if code == transport.CodeIdle {
			p.way.limit.lost(&p.underway)
		} else {
			p.way.limit.refused(&p.underway)
		}
	}
	p.state, m.again = pathGone, true
	for i := len(m.conns) - 1; i >= 0; i-- {
		if c := m.conns[i]; c.path == p {
			m.hangup(c, code)
		}
	}
	for i, x := range m.paths {
		if x == p {
			m.paths = append(m.paths[:i], m.paths[i+1:]...)
			break
		}
	}
	switch {
	case m.cur == p:
		m.cur = nil
		m.race.lost(now, m.cfg.random())
	case m.sound() == nil: // an attempt failed: the next one starts now
		if !m.race.at.IsZero() && p.openedAt.IsZero() {
			m.race.at = now
		}
	}
}

// sound is the path in use, unless it may be dead; nil: there is none.
func (m *clientMachine) sound() *clientPath {
	if m.cur != nil && m.cur.suspect {
		return nil
	}
	return m.cur
}

// closed reports the end of a carrier: fault is nil when the peer ended it in the regular way.
func (m *clientMachine) closed(conn int, fault error, now time.Time) {
	c := m.conn(conn)
	if c == nil || m.over != nil {
		return
	}
	m.late(now)
	if m.conn(conn) == nil { // waking has given it up
		m.step(now)
		return
	}
	p := c.path
	m.forget(c)
	switch {
	case c.kind == transport.KindUp || c.kind == transport.KindPoll:
		if fault != nil || c.first {
			m.postFailed(c, fault, now)
		}
	case c.kind == transport.KindOpen && p.state == pathOpen: // answered and done
	default:
		p.charged = m.cut(p, true, now) || p.charged
		m.kill(p, transport.CodeFault, reasonOf(fault), now)
	}
	m.step(now)
}

// postFailed: one failure may be chance, and the request is made again with the same numbers (HF1-POL-05); two in a row end the path. Whoever says
// that it is too much is asked less often, and no less at a time, which would only make more requests (HF1-POL-09).
func (m *clientMachine) postFailed(c *clientConn, fault error, now time.Time) {
	p := c.path
	m.unsaid(c)
	most := 1
	switch {
	case busy(fault):
		most = 4
		p.pause = clamp(2*p.pause, pauseLeast, pauseMost)
		p.postAt = now.Add(p.pause)
	case errors.Is(fault, errNoAnswer):
		p.way.limit.lost(&p.underway)
	default:
		p.way.limit.refused(&p.underway)
	}
	if m.holdFailed(c, now) {
		return
	}
	if p.faults++; p.faults > most {
		m.mute(p, c.born, reasonOf(fault), now)
	}
}

const (
	pauseLeast = 100 * time.Millisecond
	pauseMost  = 2 * time.Second
)

// busy: whoever has answered allows no more requests at the moment.
func busy(fault error) bool {
	var status *transport.StatusError
	return errors.As(fault, &status) && status.Busy()
}

// answered: a POST was, so the next may follow sooner.
func (p *clientPath) answered(now time.Time) {
	p.faults = 0
	p.pause = (p.pause / 2).Truncate(time.Millisecond)
	p.postAt = now.Add(p.pause)
}

var errNoAnswer = errors.New("no answer")

// reasonOf tells why a carrier ended.
func reasonOf(fault error) string {
	if fault == nil {
		return "ended"
	}
	return fault.Error()
}

// unsaid books that nobody knows whether a POST has arrived.
func (m *clientMachine) unsaid(c *clientConn) {
	if len(c.ctl) > 0 { // pings and uses are asked anew by their own rules; the rest must be said again
		c.path.ctl = append(c.ctl, c.path.ctl...)
	}
	m.in.told = 0 // its ack may not have arrived
}

// pollAnew gives the hanging poll up for another: its connection may have died without a sign, as that of a POST beside it has, or of the
// reply that held the lines that are missing (HF1-LIV-05).
func (m *clientMachine) pollAnew(p *clientPath) {
	for _, c := range m.conns {
		if c.path == p && c.kind == transport.KindPoll {
			m.hangup(c, transport.CodeIdle)
			m.unsaid(c)
			return // there is one at a time (HF1-POL-04)
		}
	}
}

// pollEach keeps empty answers in haste from calling for another at once (HF1-POL-07).
const pollEach = 100 * time.Millisecond

// detached: no more data on this path. It may be selected again, unless it is gone (HF1-SEL-08, HF1-SEL-09).
func (m *clientMachine) detached(p *clientPath, d *detachControl, now time.Time) {
	m.trace("detached", p, "")
	if d.Gone {
		m.kill(p, transport.Code(d.Code), "detached", now)
		return
	}
	p.detached = true
	if p != m.cur && p.leaveBy.IsZero() {
		p.leaveBy = now.Add(linger)
	}
}

const linger = 5 * time.Second
