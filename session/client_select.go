package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// confirm reads a selection that the server states (HF1-SEL-06): a path is ours only if it is named with our own highest u.
func (m *clientMachine) confirm(sel selControl, now time.Time) {
	m.heard = max(m.heard, sel.U)
	if sel.U != m.u {
		return
	}
	for _, p := range m.paths {
		if p.att == sel.Att && p.state == pathOpen {
			p.useAt, p.useBy = time.Time{}, time.Time{}
			m.choose(p, now)
			return
		}
	}
}

// choose makes p the path in use; the old one is read a while longer.
func (m *clientMachine) choose(p *clientPath, now time.Time) {
	old := m.cur
	m.cur = p
	p.detached, p.leaveBy = false, time.Time{}
	m.again = true
	if old == p { // no news, and no end of what is tried beside it
		return
	}
	m.race.won()
	m.trace("selected", p, "")
	m.progress = now
	m.in.told = 0 // nothing proves that the last ack arrived
	if old != nil && old.state != pathGone {
		old.leaveBy = now.Add(linger)
	}
}

// use selects a path that stands by, if a selection may be made now (HF1-SEL-03, HF1-SEL-07).
func (m *clientMachine) use(p *clientPath, now time.Time) bool {
	if !m.mayRaise() {
		return false
	}
	m.u++
	p.useBy = now.Add(2 * m.patience())
	m.sayUse(p, now)
	m.choose(p, now)
	return true
}

// sayUse sends use, and again until it is answered (HF1-SEL-04).
func (m *clientMachine) sayUse(p *clientPath, now time.Time) {
	p.useAt = now.Add(m.patience() / 2)
	m.due(now, p.useAt)
	p.say("use", useControl{U: m.u, Att: p.att, Challenge: p.challenge, Recv: m.in.recv})
}

// replied reads what every POST reply says, and the answer to use.
func (m *clientMachine) replied(c *clientConn, r *replyControl, now time.Time) {
	p := c.path
	p.strays = 0
	if r.Recv > m.known {
		m.known, m.race.tries = r.Recv, 0
		p.way.limit.arrived(&p.underway, r.Recv) // the application's ack may lag behind many POSTs
	}
	if r.Sent > m.in.recv && m.sentDown <= m.in.recv { // since then; a server that goes on sending moves no deadline
		m.sentAt = now
	}
	m.sentDown = max(m.sentDown, r.Sent)
	m.confirm(r.Sel, now)
}

// pingPath asks for a sign of life on p.
func (m *clientMachine) pingPath(p *clientPath, now time.Time) {
	m.pings++
	p.pingI, p.pingAt = m.pings, now
	p.speaks(now)
	p.say("ping", pingControl{I: m.pings})
	p.ctl = m.greased(p.ctl)
}

// ponged closes a round trip.
func (m *clientMachine) ponged(p *clientPath, i uint64, now time.Time) {
	if p.pingI == 0 || i != p.pingI {
		return
	}
	rtt := clamp(now.Sub(p.pingAt), time.Millisecond, rttMost)
	for _, w := range m.ways {
		w.limit.ponged(4*rtt > m.patience())
	}
	if m.slow > 0 {
		m.rtt, m.slow = rtt, 0
	} else {
		m.rtt = (7*m.rtt + rtt) / 8
	}
	p.pingI, p.pingAt = 0, time.Time{}
	p.pongs++
	p.faults = 0 // what was posted has arrived, if not its answer
	if p != m.cur {
		return
	}
	m.progress = now
	if p.beaconBy.IsZero() {
		p.suspect = false
	}
}

// mayMove: the session is to go on, and may do so on another path.
func (m *clientMachine) mayMove() bool {
	return !m.waitAuth && m.out.closing == 0 && m.peerClosed == nil
}

// better keeps looking for a better transport than the one in use, and promotes it when it is proven (HF1-LIV-11).
func (m *clientMachine) better(now time.Time) {
	sound := m.sound()
	if sound == nil || !sound.useBy.IsZero() || !m.mayMove() {
		return
	}
	for _, w := range m.ways {
		if w == sound.way {
			return
		}
		p := m.pathOf(w)
		switch {
		case p != nil && p.state == pathOpen && p.proven:
			m.use(p, now)
			return
		case p != nil:
		case w.resting(now):
			m.due(now, w.rest)
			continue
		default:
			m.attach(w, 0, now)
		}
		return // one at a time, the best first
	}
}

func (m *clientMachine) pathOf(w *clientWay) *clientPath {
	for _, p := range m.paths {
		if p.way == w && p.leaveBy.IsZero() {
			return p
		}
	}
	return nil
}

// tidy closes what is no longer wanted: an old path after its linger, and worse ones once the path in use is proven.
func (m *clientMachine) tidy(now time.Time) {
	if m.cur == nil {
		return
	}
	for i := len(m.paths) - 1; i >= 0; i-- {
		p := m.paths[i]
		if p == m.cur || !m.cur.useBy.IsZero() {
			continue
		}
		switch {
		case !p.leaveBy.IsZero() && (p.detached || m.due(now, p.leaveBy)):
			m.kill(p, transport.CodeDetached, "left", now)
		case m.cur.proven && !m.cur.suspect && p.leaveBy.IsZero() && m.rank(p.way) >= m.rank(m.cur.way):
			m.kill(p, transport.CodeDetached, "left", now)
		}
	}
}

func (m *clientMachine) rank(w *clientWay) int {
	for i, x := range m.ways {
		if x == w {
			return i
		}
	}
	return len(m.ways)
}
