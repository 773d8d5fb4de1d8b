package clientmachine

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// attach opens a new attachment (HF1-ATT-01). Room is made by the oldest that is not in use, as at
// the server (HF1-ATT-04).
func (m *Machine) attach(t *transportState, u uint64, now time.Time) {
	list := m.attachments.list
	if len(list) >= machine.MaxAttachments {
		oldest := slices.IndexFunc(list, func(a *attachment) bool { return a != m.selection.current })
		m.endAttachment(list[oldest], transport.CodeDetached, "left", now)
	}
	m.race.noteTried(t)
	m.again = true
	m.attachments.lastAtt++
	a := &attachment{att: m.attachments.lastAtt, transport: t, u: u, born: now}
	a.silence.lastReceived = now
	m.attachments.list = append(m.attachments.list, a)
	m.trace(Attach, a, "")
	a.down = m.dial(a, a.kind(), now, time.Time{})
}

// dial opens a conn for an attachment.
func (m *Machine) dial(a *attachment, kind transport.Kind, now time.Time, by time.Time) *conn {
	m.attachments.lastConn++
	c := &conn{id: m.attachments.lastConn, kind: kind, attachment: a, born: now, by: by, first: true}
	m.attachments.conns = append(m.attachments.conns, c)
	m.emit(Effect{Kind: Dial, Conn: c.id, ConnKind: kind, Transport: a.transport.name})
	m.due(now, by)
	return c
}

// conn finds a living conn.
func (m *Machine) conn(id int) *conn {
	for _, c := range m.attachments.conns {
		if c.id == id {
			return c
		}
	}
	return nil
}

// hangUp ends a conn whose outcome no longer matters.
func (m *Machine) hangUp(c *conn, code transport.Code) {
	if m.forget(c) {
		m.emit(Effect{Kind: HangUp, Conn: c.id, Code: code})
	}
}

// forget removes a conn from the books and reports whether it was there.
func (m *Machine) forget(c *conn) bool {
	i := slices.Index(m.attachments.conns, c)
	if i < 0 {
		return false
	}
	m.attachments.conns = slices.Delete(m.attachments.conns, i, i+1)
	if a := c.attachment; a.down == c {
		a.down = nil
	} else if a.up == c {
		a.up = nil
	}
	return true
}

// endAttachment ends an attachment that broke or is no longer wanted, and penalizes its transport
// if it ended early (HF1-LIV-09).
func (m *Machine) endAttachment(a *attachment, code transport.Code, reason string, now time.Time) {
	if a.state == gone {
		return
	}
	m.trace(Died, a, reason)
	// 4004 and the like are no fault of the transport.
	if code == transport.CodeFault || code == transport.CodeIdle || code >= 4300 {
		m.penalize(a, now)
		if code == transport.CodeIdle {
			a.transport.limit.Lost(&a.inFlight)
		} else {
			a.transport.limit.Refused(&a.inFlight)
		}
	}
	a.state, m.again = gone, true
	for i := len(m.attachments.conns) - 1; i >= 0; i-- {
		if c := m.attachments.conns[i]; c.attachment == a {
			m.hangUp(c, code)
		}
	}
	m.attachments.list = slices.DeleteFunc(m.attachments.list, func(x *attachment) bool { return x == a })
	switch {
	case m.selection.current == a:
		m.selection.current = nil
		m.race.lost(now, m.cfg.Random())
	case m.healthy() == nil && !m.race.at.IsZero() && a.openedAt.IsZero():
		m.race.at = now // an attempt failed: the next one starts now
	}
}

// ping asks for a sign of life on an attachment.
func (m *Machine) ping(a *attachment, now time.Time) {
	m.attachments.lastPing++
	a.ping.i, a.ping.at = m.attachments.lastPing, now
	a.silence.noteSent(now)
	a.queueControl(wire.Ping{I: a.ping.i})
	a.controls = m.appendGrease(a.controls)
}

// appendGrease adds a control that nobody knows to one ping in sixteen (HF1-BAT-13).
func (m *Machine) appendGrease(ctl []byte) []byte {
	if m.cfg.Random() >= 1.0/16 {
		return ctl
	}
	var letters [4]byte
	for i := range letters {
		letters[i] = byte(m.cfg.Random() * 26)
	}
	return wire.AppendGrease(ctl, letters)
}

// requeue books that nobody knows whether a POST has arrived. Pings and uses are asked anew by
// their own rules; all that its body carried is sent again, and the ack.
func (m *Machine) requeue(c *conn) {
	if len(c.controls) > 0 {
		c.attachment.controls = append(c.controls, c.attachment.controls...)
	}
	m.in.ForgetAckSent()
}

// abandonPoll gives the hanging poll up for another: its connection may have died without a sign,
// as that of a POST beside it has, or of the reply that held the lines that are missing
// (HF1-LIV-05).
func (m *Machine) abandonPoll(a *attachment) {
	for _, c := range m.attachments.conns {
		if c.attachment == a && c.kind == transport.KindPoll {
			m.hangUp(c, transport.CodeIdle)
			m.requeue(c)
			return // there is one at a time (HF1-POL-04)
		}
	}
}

// isOpening: an attempt is in flight.
func (m *Machine) isOpening() bool {
	return slices.ContainsFunc(m.attachments.list, func(a *attachment) bool { return a.state == opening })
}
