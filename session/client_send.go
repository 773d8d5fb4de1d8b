package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// pump starts the POSTs that are due and wakes the WebSockets that have something to write.
func (m *clientMachine) pump(now time.Time) {
	m.ackTimer(now)
	for _, p := range m.paths {
		if p.state != pathOpen {
			continue
		}
		if p.socket() {
			if p.down != nil && m.hasOutput(p, now) {
				m.actions = append(m.actions, action{kind: actWrite, conn: p.down.id})
			}
			continue
		}
		if p.up == nil && m.hasOutput(p, now) && m.mayPost(p, now) { // HF1-POL-05: one at a time
			p.up = m.dial(p, transport.KindUp, now, now.Add(min(m.patience(), patienceMost)))
			m.due(now, p.up.by)
		}
		if p.way.name == transport.LongPoll && p == m.cur && p.down == nil && (p.pollAt.IsZero() || m.due(now, p.pollAt)) && m.mayPost(p, now) {
			p.pollAt = time.Time{}
			p.down = m.dial(p, transport.KindPoll, now, now.Add(m.holdOf(p.way)+m.patience())) // HF1-POL-04
			m.due(now, p.down.by)
		}
	}
}

// mayPost: no POST was refused, or long enough ago (HF1-POL-09).
func (m *clientMachine) mayPost(p *clientPath, now time.Time) bool {
	return p.pause == 0 || m.due(now, p.postAt)
}

// hasOutput: controls, log lines the window lets go, or an ack that is due.
func (m *clientMachine) hasOutput(p *clientPath, now time.Time) bool {
	if len(p.ctl) > 0 {
		return true
	}
	if p != m.cur {
		return false
	}
	return m.out.fits(m.position(p)+1, m.win) || !m.ackAt.IsZero() && !now.Before(m.ackAt)
}

// position is the last up line that counts as sent on the path: on HTTP what the server has stated, since POSTs go one at a time.
func (m *clientMachine) position(p *clientPath) uint64 {
	if p.socket() {
		return p.pos
	}
	return m.out.from(m.known)
}

// ackTimer plans the ack that rides alone (HF1-NUM-11).
func (m *clientMachine) ackTimer(now time.Time) {
	switch {
	case m.in.taken == m.in.told:
		m.ackAt = time.Time{}
	case m.in.ackDue(m.win):
		m.ackAt = now
	case m.ackAt.IsZero():
		delay := 250 * time.Millisecond
		if m.cur != nil && m.cur.socket() {
			delay = 100 * time.Millisecond
		}
		m.ackAt = now.Add(delay)
	}
	m.due(now, m.ackAt)
}

// next writes the next batch of carrier conn into b. False: nothing now, or the one batch of a POST is written.
func (m *clientMachine) next(conn int, b *outBatch, now time.Time) bool {
	b.reset()
	c := m.conn(conn)
	if c == nil || m.over != nil {
		return false
	}
	p := c.path
	switch {
	case c.first && (c.kind == transport.KindSocket || c.kind == transport.KindStream || c.kind == transport.KindOpen):
		m.writeOpen(c, b, now)
	case c.first && c.kind == transport.KindPoll:
		p.p++
		ctl := appendControl(nil, true, "poll", pollControl{Key: m.cfg.key, Run: m.run, Att: p.att, P: p.p, Recv: m.in.recv, Hold: uint64(m.holdOf(p.way).Milliseconds())})
		m.out.fill(b, m.out.base, m.in.taken, ctl, noLines, 0, false) // its lines go by up
		m.in.acked()
	case c.first && c.kind == transport.KindUp:
		m.writeUp(c, b, now)
	case c.kind == transport.KindSocket && p.state == pathOpen && m.hasOutput(p, now):
		m.writeFrame(p, b, now)
	default:
		return false
	}
	if c.kind == transport.KindSocket {
		p.speaks(now)
		p.spoke = now
	}
	c.first = false
	return true
}

// writeOpen: what opens an attachment, with early messages if the server was never heard (HF1-ATT-08).
func (m *clientMachine) writeOpen(c *clientConn, b *outBatch, now time.Time) {
	p := c.path
	ctl := appendControl(nil, true, "open", openControl{
		V: []uint64{1}, Key: m.cfg.key, Run: m.run, Att: p.att, U: p.u, Recv: m.in.recv,
		Lim: limControl{MaxBatch: uint64(m.cfg.maxBatch)}, Auth: m.cfg.auth, Meta: m.cfg.meta,
	})
	win := int64(noLines)
	if m.run == "" {
		win = m.win
	}
	p.pos = m.write(p, b, m.out.base, ctl, win, earlyBytes, false)
	m.logged(p.pos > m.out.base, now) // the server pings often from now on, and its silence tells sooner (HF1-LIV-05)
}

// earlyBytes bounds what rides in an open: a network that refuses large bodies must not refuse the session.
const earlyBytes = 4096

// writeUp makes the body of an up request: address, controls, and log lines if this is the path in use.
func (m *clientMachine) writeUp(c *clientConn, b *outBatch, now time.Time) {
	p := c.path
	ctl := appendControl(nil, true, "up", upControl{Key: m.cfg.key, Run: m.run, Att: p.att})
	ctl = append(ctl, p.ctl...)
	c.ctl, p.ctl = p.ctl, nil
	win := int64(noLines)
	if p == m.cur {
		win = m.win
	}
	m.logged(m.write(p, b, m.position(p), ctl, win, m.maxBatch, false) > m.position(p), now)
	m.in.acked()
	m.ackAt = time.Time{}
}

// writeFrame makes one frame of a WebSocket.
func (m *clientMachine) writeFrame(p *clientPath, b *outBatch, now time.Time) {
	if p != m.cur { // no lines here: a first that cannot look like a gap (HF1-NUM-06)
		m.out.fill(b, m.out.base, m.in.taken, p.ctl, noLines, 0, true)
		p.ctl = nil
		return
	}
	ctl := p.ctl
	p.ctl = nil
	before := p.pos
	p.pos = m.write(p, b, p.pos, ctl, m.win, m.maxBatch, true)
	m.logged(p.pos > before, now)
	m.in.acked()
	m.ackAt = time.Time{}
}

// write fills a batch from pos within what the server and the path take, and books it for HF1-ATT-07.
func (m *clientMachine) write(p *clientPath, b *outBatch, pos uint64, ctl []byte, win int64, limit int, socket bool) uint64 {
	if limit = min(limit, p.way.limit.bytes()); m.slow > patienceLeast {
		limit = min(limit, batchFloor) // HF1-LIV-06
	}
	to := m.out.fill(b, pos, m.in.taken, ctl, win, limit, socket)
	if to > pos {
		p.underway.wrote(b.size, to)
	}
	return to
}

// logged books that log lines went out.
func (m *clientMachine) logged(sent bool, now time.Time) {
	if sent {
		m.active(now)
	}
}
