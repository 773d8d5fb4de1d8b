package servermachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Init makes a zero machine ready.
func (m *Machine) Init(rules *Rules, who Identity, now time.Time) {
	cfg := &rules.cfg
	m.cfg, m.who, m.run = cfg, who, cfg.Random()
	m.liveness.created, m.liveness.lastReceived = now, now
}

// ReceiveFirst takes the first batch of a conn, which was found to be for this session. full: all
// sessions together hold more than they may. False: the session had ended, and c has its final
// word.
func (m *Machine) ReceiveFirst(c *Conn, r *Request, full bool, now time.Time) bool {
	if m.closing.over != nil {
		c.AnswerClosed(m.finalWord())
		return false
	}
	_, _, att := r.address()
	if err := m.admit(r.packet, r.ctl, true, full); err != nil {
		m.fault(c, m.attachment(att), err)
		m.step(now)
		return true
	}
	m.faults.Clear()
	switch {
	case r.open != nil:
		m.open(c, r.open, r.packet, now)
	case r.poll != nil:
		m.poll(c, r.poll, r.packet, r.ctl, now)
	default:
		m.up(c, r.up, r.packet, r.ctl, now)
	}
	m.step(now)
	return true
}

// Receive takes a later batch of a WebSocket, as [ParseFrame] has read it.
func (m *Machine) Receive(c *Conn, f Frame, full bool, now time.Time) {
	if c.attachment == nil || m.closing.over != nil {
		return
	}
	err := f.err
	if err == nil {
		err = m.admit(f.packet, f.ctl, false, full)
	}
	if err != nil {
		m.fault(c, c.attachment, err)
	} else {
		m.faults.Clear()
		m.frame(c, f.packet, f.ctl, now)
	}
	m.step(now)
}

// OpenTicket attaches an event stream that a GET with a ticket opened. False: the ticket is not for
// this session, or it has ended.
func (m *Machine) OpenTicket(c *Conn, t Ticket, now time.Time) bool {
	if m.closing.over != nil || m.run != t.Run || t.Recv > m.out.Written() {
		return false
	}
	o := wire.Open{V: []uint64{1}, Run: t.Run, Att: t.Att, U: t.U, Recv: t.Recv}
	o.Lim.MaxBatch = transport.DefaultMaxBatch
	m.open(c, &o, &wire.Packet{First: 1}, now)
	m.step(now)
	return true
}

// AnswerTicket gives the ticket that a client has asked for.
func (m *Machine) AnswerTicket(r TicketRequest, ticket string, now time.Time) {
	m.answerTicket(r.conn.(*Conn), ticket) // askTicket made it
	if m.closing.over == nil {
		m.step(now)
	}
}

// Closed reports that a conn has ended, by whatever cause. broken: not in the regular way.
func (m *Machine) Closed(c *Conn, broken bool, now time.Time) {
	if c.gone {
		return
	}
	c.gone = true
	if c.attachment != nil {
		m.closed(c, broken)
		m.step(now)
	}
}

// Tick is to be called when the deadline has come, and may be called at any time (HF1-LIV-07).
func (m *Machine) Tick(now time.Time) { m.step(now) }

// Deadline is when Tick is to be called; the zero time: never.
func (m *Machine) Deadline() time.Time { return m.deadline.At() }

// Send appends a message and returns its number. The caller has checked the window.
func (m *Machine) Send(e logs.Encoded, now time.Time) uint64 {
	n := m.out.Append(&e)
	m.liveness.lastLog = now
	m.step(now)
	return n
}

// Waiting tells whether Pop has something.
func (m *Machine) Waiting() bool { return m.in.Waiting() }

// CloseIsNext tells whether Pop gives the peer's !close.
func (m *Machine) CloseIsNext() bool { return m.in.CloseIsNext() }

// Pop gives out the next message, or the peer's !close. It counts as taken with Taken.
func (m *Machine) Pop() (logs.Received, bool) { return m.in.Pop() }

// Taken is called when the application has taken what Pop gave: only this moves the ack.
func (m *Machine) Taken(r logs.Received, now time.Time) {
	m.taken(r)
	m.step(now)
}

// Close closes the session from this side. Calls after the first change nothing.
func (m *Machine) Close(code transport.Code, reason string, now time.Time) {
	if m.closing.over == nil && m.out.Closing() == 0 {
		m.closeLog(code, reason, now)
		m.step(now)
	}
}

// End ends the session at once. What is sent and not delivered, and what waits, is dropped.
func (m *Machine) End(code transport.Code, reason string) {
	m.finish(machine.Aborted(&m.out, code, reason))
}

// ExpireAt sets when the identity of the session's owner expires: the session then ends (4301). The
// zero time is never.
func (m *Machine) ExpireAt(at, now time.Time) {
	if !at.IsZero() {
		at = now.Add(at.Sub(now)) // by the clock of now: it stays if the wall clock is set
	}
	m.closing.expiresAt = at
	m.step(now)
}

// Next writes the next batch of conn c into b, which it resets.
func (m *Machine) Next(c *Conn, b *logs.Batch, now time.Time) Next {
	b.Reset()
	return m.next(c, b, now)
}

// Observations hands out the facts for metrics since the last call of it or of Effects.
func (m *Machine) Observations() []Observation { return m.effects.takeObservations() }

// Effects hands out what is to be done since the last call, once the session's lock is released.
func (m *Machine) Effects() Effects { return m.effects.take() }
