package servermachine

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

func (m *Machine) attachment(att uint64) *attachment {
	for _, a := range m.attachments.list {
		if a.att == att {
			return a
		}
	}
	return nil
}

// hasEnded: an att that was seen and is not there any more stays ended (HF1-ATT-03).
func (l *attachments) hasEnded(att uint64) bool {
	return att+64 <= l.top || att <= l.top && l.seen&(1<<(l.top-att)) != 0
}

func (l *attachments) noteSeen(att uint64) {
	if att > l.top {
		l.seen, l.top = l.seen<<min(att-l.top, 64), att
	}
	l.seen |= 1 << (l.top - att)
}

// addAttachment makes room first: at most 4, the oldest that is not selected goes (HF1-ATT-04).
func (m *Machine) addAttachment(c *Conn, o *wire.Open, now time.Time) *attachment {
	if len(m.attachments.list) >= machine.MaxAttachments {
		for _, a := range m.attachments.list {
			if a != m.selection.current {
				m.endAttachment(a, transport.CodeSuperseded)
				break
			}
		}
	}
	m.attachments.noteSeen(o.Att)
	a := &attachment{
		att: o.Att, kind: c.kind, challenge: m.cfg.Random(),
		maxBatch: machine.PeerMaxBatch(o.Lim.MaxBatch), standbySince: now,
	}
	m.attachments.list = append(m.attachments.list, a)
	return a
}

// endAttachment tells the client that an attachment is gone and ends it.
func (m *Machine) endAttachment(a *attachment, code transport.Code) {
	a.queueControl(wire.Detach{Code: uint64(code), Gone: true})
	m.observe(a.kind, Observation{Kind: Detached, Count: 1})
	m.flushAndClose(a, code)
	m.removeAttachment(a)
}

// loseAttachment ends an attachment whose client does not answer any more.
func (m *Machine) loseAttachment(a *attachment, code transport.Code) {
	m.limit(a).Lost(&a.inFlight)
	m.endAttachment(a, code)
}

// flushAndClose lets an attachment's conns say what it still has to say, and end.
func (m *Machine) flushAndClose(a *attachment, code transport.Code) {
	for _, c := range append(a.polls.hanging, a.conn) {
		if c == nil {
			continue
		}
		c.controls = append(c.controls, a.controls...)
		c.end(code)
		m.wake(c)
	}
	a.polls.hanging, a.conn, a.controls = nil, nil, nil
}

// removeAttachment takes an attachment out of the books. Its att stays ended.
func (m *Machine) removeAttachment(a *attachment) {
	m.attachments.list = slices.DeleteFunc(m.attachments.list, func(x *attachment) bool { return x == a })
	if m.selection.current == a {
		m.selection.current = nil
	}
}

// endConn ends a conn that another has replaced, without a word.
func (m *Machine) endConn(c *Conn) {
	if c != nil {
		c.end(transport.CodeSuperseded)
		m.wake(c)
	}
}

// completePolls answers the hanging polls of an attachment, empty (HF1-POL-02).
func (m *Machine) completePolls(a *attachment) {
	for _, c := range a.polls.hanging {
		c.ready, c.empty = true, true
		m.wake(c)
	}
	a.polls.hanging = nil
}

// replaceConn ends what carried an attachment: the newest request carries it (HF1-ATT-02).
func (m *Machine) replaceConn(a *attachment, o *wire.Open) {
	m.endConn(a.conn)
	m.completePolls(a)
	a.maxBatch = machine.PeerMaxBatch(o.Lim.MaxBatch)
}

// answerGone tells whoever asks for an attachment that it has ended.
func (m *Machine) answerGone(c *Conn) {
	c.controls = wire.AppendControl(c.controls, wire.Detach{Code: uint64(transport.CodeSuperseded), Gone: true})
	c.ready, c.empty, c.ending, c.closeCode = true, true, true, transport.CodeSuperseded
	m.wake(c)
}

// noteReceived notes a sign of life.
func (m *Machine) noteReceived(a *attachment, now time.Time) {
	m.liveness.lastReceived = now
	if a != nil {
		a.lastReceived, a.ping.unanswered = now, 0
	}
}

// acknowledge frees the log and moves positions that the ack has overtaken (HF1-NUM-08).
func (m *Machine) acknowledge(ack uint64) {
	if !m.out.Acknowledge(ack) {
		return
	}
	m.liveness.progress++
	for _, a := range m.attachments.list {
		a.pos = m.out.SendFrom(a.pos)
		m.limit(a).Acknowledged(&a.inFlight, ack)
	}
}

// missed: the client states a position, so a batch that was to take it further has not arrived.
func (m *Machine) missed(a *attachment, recv uint64) {
	if recv < a.inFlight.To() {
		m.limit(a).Lost(&a.inFlight)
	} else {
		m.limit(a).Acknowledged(&a.inFlight, recv)
	}
}

// accept takes the up lines. A gap is asked for on a WebSocket (HF1-NUM-06).
func (m *Machine) accept(p *wire.Packet, now time.Time) (gap bool) {
	before := m.in.Messages()
	fresh, gap, _ := m.in.Accept(p)
	if fresh > 0 {
		m.liveness.lastLog = now
	}
	if m.in.Messages() != before {
		m.liveness.progress++
	}
	return gap
}
