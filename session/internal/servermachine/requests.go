package servermachine

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	// maxPollCopies bounds the copies of one poll that hang beside each other. At the bound they
	// are answered, empty.
	maxPollCopies = 4
	// quickHold is how long a poll hangs that brings lines or asks something (HF1-POL-03).
	quickHold = 50 * time.Millisecond
	// ticketTTL is how long a ticket may be used (HF1-SSE-06).
	ticketTTL = 30 * time.Second
	// rewindInterval is the least time between two rewinds.
	rewindInterval = 250 * time.Millisecond
)

// poll hangs a poll (HF1-POL-*). It consumes nothing: its recv only positions the attachment.
func (m *Machine) poll(c *Conn, v *wire.Poll, p *wire.Packet, ctl []wire.Control, now time.Time) {
	a := m.request(v.Att, p, now)
	if a == nil {
		m.answerGone(c)
		return
	}
	c.attachment, c.poll = a, v.P
	m.controls(c, a, ctl, now)
	if m.attachment(v.Att) != a { // it has ended its own attachment
		m.answerGone(c)
		return
	}
	if v.P < a.polls.number { // HF1-POL-02
		c.ready, c.empty = true, true
		m.wake(c)
		return
	}
	if v.P > a.polls.number || len(a.polls.hanging) >= maxPollCopies {
		m.completePolls(a)
		a.polls.number = v.P
	}
	if m.selection.current == a {
		m.missed(a, v.Recv)
		a.pos = m.out.SendFrom(v.Recv)
	}
	hold := m.cfg.Hold
	if v.Hold > 0 {
		hold = min(hold, wire.Duration(v.Hold))
	}
	if p.Logs > 0 || len(ctl) > 1 {
		hold = min(hold, quickHold)
	}
	a.polls.until = now.Add(hold)
	a.polls.hanging = append(a.polls.hanging, c)
}

// up takes a POST that carries the client's batch, and answers it at once (HF1-NUM-12).
func (m *Machine) up(c *Conn, v *wire.Up, p *wire.Packet, ctl []wire.Control, now time.Time) {
	a := m.request(v.Att, p, now)
	switch {
	case a != nil:
		c.attachment = a
		m.controls(c, a, ctl, now)
	case wire.Find[*wire.Use](ctl) != nil:
		m.answerGone(c)
		return
	}
	c.ready, c.empty = true, true
	m.wake(c)
}

// request takes what every POST to an attachment brings.
func (m *Machine) request(att uint64, p *wire.Packet, now time.Time) *attachment {
	m.liveness.confirmed = true
	m.acknowledge(p.Ack)
	m.accept(p, now)
	a := m.attachment(att)
	m.noteReceived(a, now)
	return a
}

// frame takes one batch from a WebSocket after its open.
func (m *Machine) frame(c *Conn, p *wire.Packet, ctl []wire.Control, now time.Time) {
	a := c.attachment
	m.liveness.confirmed = true
	m.noteReceived(a, now)
	m.acknowledge(p.Ack)
	gap := m.accept(p, now)
	m.controls(c, a, ctl, now)
	if gap && now.Sub(m.rewindAt) >= rewindInterval {
		m.rewindAt = now
		a.queueControl(wire.Rewind{Recv: m.in.Received()})
	}
}

// closed reports that a conn has ended, by whatever cause. broken: not in the regular way.
func (m *Machine) closed(c *Conn, broken bool) {
	a := c.attachment
	a.polls.hanging = slices.DeleteFunc(a.polls.hanging, func(x *Conn) bool { return x == c })
	if a.conn != c {
		return
	}
	a.conn = nil
	if broken {
		m.limit(a).Lost(&a.inFlight)
	}
	m.removeAttachment(a)
}

// controls lets the controls of an admitted batch act on its attachment.
func (m *Machine) controls(c *Conn, a *attachment, ctl []wire.Control, now time.Time) {
	for _, v := range ctl {
		switch v := v.(type) {
		case *wire.Use:
			m.use(c, a, v, now)
		case *wire.Ping:
			a.answer(c, wire.Pong(*v))
		case *wire.Pong:
			m.ponged(a, v.I, now)
		case *wire.Rewind:
			if a == m.selection.current {
				a.pos = m.out.SendFrom(v.Recv)
			}
		case *wire.Detach:
			m.endAttachment(a, transport.CodeDetached)
			return
		case *wire.Ticket:
			m.askTicket(c, a, v)
		}
	}
}

// ponged closes a round trip.
func (m *Machine) ponged(a *attachment, i uint64, now time.Time) {
	if i == a.ping.i && !a.ping.at.IsZero() {
		m.observe(a.kind, Observation{Kind: Measured, RTT: now.Sub(a.ping.at)})
		a.ping.at = time.Time{}
	}
}

// askTicket has a ticket made, unless the client leaves its answers unread. An answer of a POST waits
// for it.
func (m *Machine) askTicket(c *Conn, a *attachment, v *wire.Ticket) {
	if !m.cfg.IssuesTickets || a.isUnread() || c.isUnread() {
		return
	}
	c.tickets++
	r := m.effects.orRare()
	r.tickets = append(r.tickets, TicketRequest{Ticket{m.who.ID, m.run, v.Att, v.U, v.Recv}, c})
}

// answerTicket gives a ticket that was asked for.
func (m *Machine) answerTicket(c *Conn, ticket string) {
	c.tickets--
	answer := wire.Ticket{Ticket: ticket, TTL: wire.Millis(ticketTTL)}
	switch {
	case c.ending: // it has its last word
	case c.kind != transport.KindSocket:
		c.controls = wire.AppendControl(c.controls, answer)
	case c.attachment != nil && c.attachment.conn == c:
		c.attachment.queueControl(answer)
	}
	m.wake(c)
}
