package servermachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// open attaches (HF1-ATT-*). The batch was admitted: key, run and principal are right.
func (m *Machine) open(c *Conn, o *wire.Open, p *wire.Packet, now time.Time) {
	m.noteReceived(nil, now)
	m.liveness.confirmed = m.liveness.confirmed || o.Run != ""
	m.acknowledge(p.Ack)
	m.accept(p, now)
	a := m.attachment(o.Att)
	if a == nil && m.attachments.hasEnded(o.Att) || a != nil && a.kind != c.kind { // HF1-ATT-03
		m.answerGone(c)
		return
	}
	outcome := "retried"
	if a == nil {
		a = m.addAttachment(c, o, now)
		outcome = "new"
		if o.Run != "" || o.Att > 1 {
			outcome = "resumed"
		}
	} else {
		m.replaceConn(a, o)
	}
	m.observe(a.kind, Observation{Kind: Attached, Outcome: outcome, Count: 1})
	c.attachment = a
	a.lastReceived, a.lastSent = now, now
	switch {
	case o.U > m.selection.u: // HF1-SEL-01
		m.choose(a, o.U, o.Recv, now)
	case m.selection.current == a:
		a.pos = m.out.SendFrom(o.Recv)
	}
	m.answerOpen(c, a)
}

// answerOpen queues opened, in the reply of a POST or as the first of a conn that stays.
func (m *Machine) answerOpen(c *Conn, a *attachment) {
	opened := m.opened(a)
	if c.kind == transport.KindOpen {
		c.controls = wire.AppendControl(c.controls, opened)
		c.ready, c.empty = true, true
		return
	}
	a.conn = c
	a.controls = wire.AppendControl(nil, opened)
	if c.kind == transport.KindStream {
		a.stream.beacon = 1
	}
}

func (m *Machine) opened(a *attachment) wire.Opened {
	return wire.Opened{
		V: 1, ID: m.who.ID, Run: m.run, Node: m.cfg.Node,
		Att: a.att, Recv: m.in.Received(), Sel: m.selection.stated(), Challenge: a.challenge,
		Lim: wire.Limits{MaxBatch: uint64(m.cfg.MaxBatch), MaxMessage: uint64(m.cfg.MaxMessage)},
		Win: uint64(m.cfg.Window), Ping: wire.Millis(m.cfg.Ping), Hold: wire.Millis(m.cfg.Hold),
		TTL: wire.Millis(m.cfg.TTL),
	}
}
