package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// next writes the next batch of carrier c into b; b.last says that the carrier ends with it. False: nothing now.
func (m *serverMachine) next(c *serverConn, b *outBatch, now time.Time) bool {
	b.reset()
	if c.gone {
		return false
	}
	switch p := c.path; {
	case c.done:
		b.last, c.gone = true, true
		if len(c.ctl) == 0 {
			return false
		}
		m.out.fill(b, m.out.base, m.in.taken, c.ctl, noLines, 0, false)
	case c.kind == transport.KindSocket || c.kind == transport.KindStream:
		if p == nil || p.conn != c || !m.hasOutput(p, now) {
			return false
		}
		m.writeDown(c, p, b, now)
	case c.ready:
		m.writeReply(c, p, b, now)
		b.last, c.gone = true, true
	default:
		return false
	}
	return true
}

// writeDown makes one frame or event of a path.
func (m *serverMachine) writeDown(c *serverConn, p *serverPath, b *outBatch, now time.Time) {
	ctl := p.ctl
	p.ctl = nil
	if len(ctl) == 0 && p.beacon > 0 && (p.beacon == 1 || !now.Before(p.beaconAt)) { // HF1-SSE-02: an event of its own
		ctl = appendControl(nil, false, "beacon", beaconControl{I: p.beacon})
		p.beaconAt = now.Add(300 * time.Millisecond)
		if p.beacon++; p.beacon > 2 {
			p.beacon = 0
			p.beaconAt = time.Time{}
		}
		if p.beacon == 2 {
			m.due(now, p.beaconAt)
		}
		m.out.fill(b, m.out.base, m.in.taken, ctl, noLines, 0, false)
		p.spoke = now
		return
	}
	m.write(p, b, ctl, c.kind == transport.KindSocket, now)
}

// writeReply makes the one batch of a POST's reply.
func (m *serverMachine) writeReply(c *serverConn, p *serverPath, b *outBatch, now time.Time) {
	if c.kind != transport.KindOpen {
		c.ctl = appendControl(c.ctl, true, "reply", m.reply())
	}
	if p != nil && p.kind == transport.KindOpen && c.kind == transport.KindUp { // what a long-poll path has to say; rouse gives it to polls
		c.ctl = append(c.ctl, p.ctl...)
		p.ctl = nil
	}
	if c.empty || p == nil || p != m.sel || c.p < p.p { // a poll that a later one overtook must not move the path
		m.out.fill(b, m.out.base, m.in.taken, c.ctl, noLines, 0, false)
		m.told()
		return
	}
	p.pos = m.out.from(c.pos)
	m.write(p, b, c.ctl, false, now)
}

// write fills a batch with the lines of the selected path, or with controls alone.
func (m *serverMachine) write(p *serverPath, b *outBatch, ctl []byte, socket bool, now time.Time) {
	p.spoke = now
	if p != m.sel {
		m.out.fill(b, m.out.base, m.in.taken, ctl, noLines, 0, socket)
		return
	}
	before, sent, most := p.pos, m.out.sent, min(p.maxBatch, m.limit(p).bytes())
	if !m.repeated { // what a path dies of now cannot be remembered: the client knows of no session to come back to (HF1-ATT-07)
		most = min(most, firstBytes)
	}
	p.pos = m.out.fill(b, p.pos, m.in.taken, ctl, m.cfg.win, most, socket)
	if p.pos > before {
		if now.Sub(m.lastLog) >= activeFor { // HF1-LIV-01: every path is pinged more often from now on
			m.due(now, now.Add(time.Millisecond))
		}
		m.lastLog = now
		p.underway.wrote(b.size, p.pos)
		m.carried(p, b.size, now)
		if before < sent {
			m.observe("replay", p, "", int(min(p.pos, sent)-before))
		}
	}
	m.told()
}

// carried counts what a stream has brought down: what reads it may keep all of it (HF1-SSE-07). The client is asked for a fresh one in time.
func (m *serverMachine) carried(p *serverPath, size int, now time.Time) {
	before := p.carried
	p.carried += int64(size)
	switch most := m.cfg.streamMost; {
	case p.kind != transport.KindStream:
	case before < most && p.carried >= most:
		p.ctl = appendControl(p.ctl, false, nameMove, nil)
	case p.carried >= 2*most:
		m.due(now, now.Add(time.Millisecond))
	}
}

// streamMost is how much a stream carries before it is to be replaced, in bytes.
const streamMost = 4 << 20

// firstBytes is what every path that is of any use passes (I7).
const firstBytes = 2048

// told: the ack was written on a path that counts.
func (m *serverMachine) told() {
	m.in.acked()
	m.ackAt = time.Time{}
}
