package clientmachine

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// New makes a machine. Nothing happens before Start.
func New(cfg Config) *Machine {
	const interval = 20 * time.Second // of pings and polls, until opened tells the server's
	m := &Machine{cfg: cfg, auth: authState{waiting: cfg.AwaitAuth}}
	m.server = serverInfo{
		window: cfg.Window, maxBatch: transport.DefaultMaxBatch, maxMessage: 1 << 20, ping: interval, hold: interval,
	}
	for i, name := range cfg.Transports {
		m.transports = append(m.transports, &transportState{name: name, rank: i})
	}
	return m
}

// Start begins the first connect, or does once credentials are there.
func (m *Machine) Start(now time.Time) {
	m.race.at, m.learning.since = now, now
	m.recall(now)
	m.step(now)
}

// Authorized gives the credentials that the first connect, or AskAuth, waits for.
func (m *Machine) Authorized(auth json.RawMessage, now time.Time) {
	m.cfg.Auth, m.auth.waiting, m.auth.givenAt, m.auth.askAt = bytes.Clone(auth), false, now, time.Time{}
	m.step(now)
}

// AuthFailed tells that the application has no credentials now: it is asked again later.
func (m *Machine) AuthFailed(now time.Time) {
	if m.closing.over == nil {
		m.authFailed(now)
		m.step(now)
	}
}

// Receive takes one batch from a conn. p is room to parse it in.
func (m *Machine) Receive(conn int, b transport.Batch, p *wire.Packet, now time.Time) {
	if c := m.conn(conn); c != nil && m.closing.over == nil {
		m.receive(c, b, p, now)
		m.step(now)
	}
}

// Closed reports the end of a conn. fault is nil when the peer ended it in the regular way.
func (m *Machine) Closed(conn int, fault error, now time.Time) {
	if m.conn(conn) == nil || m.closing.over != nil {
		return
	}
	m.checkLate(now)
	if c := m.conn(conn); c != nil { // else waking has given it up
		m.closed(c, fault, now)
	}
	m.step(now)
}

func (m *Machine) closed(c *conn, fault error, now time.Time) {
	a := c.attachment
	m.forget(c)
	switch {
	case c.kind == transport.KindUp || c.kind == transport.KindPoll:
		if fault != nil || c.first {
			m.postFailed(c, fault, now)
		}
	case c.kind == transport.KindOpen && a.state == open: // answered and done
	default:
		a.standing.penalized = m.learnFromClose(a, true, now) || a.standing.penalized
		m.endAttachment(a, transport.CodeFault, reasonOf(fault), now)
	}
}

// Tick is to be called when the deadline has come, and may be called at any time (HF1-LIV-07).
func (m *Machine) Tick(now time.Time) { m.step(now) }

// Deadline is when Tick is to be called; the zero time: never.
func (m *Machine) Deadline() time.Time { return m.deadline.At() }

// Send appends a message and returns its number. The caller has checked the bounds.
func (m *Machine) Send(e logs.Encoded, now time.Time) uint64 {
	if m.out.Bytes() == 0 {
		m.liveness.progress = now
	}
	n := m.out.Append(&e)
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
	m.taken(r, now)
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
func (m *Machine) End(code transport.Code, reason string) { m.abort(code, reason) }

// Wake tells that the process, the page or the network has come back: what is dead is to be found
// now, not at the next deadline (HF1-LIV-14).
func (m *Machine) Wake(now time.Time) {
	m.wakeUp(now)
	m.step(now)
}

// SetOnline tells whether the platform believes that there is a network (HF1-LIV-15).
func (m *Machine) SetOnline(on bool, now time.Time) {
	m.setOnline(on, now)
	m.step(now)
}

// Next writes the next batch of a conn into b, which it resets. False: nothing now, or the one
// batch of a POST is written.
func (m *Machine) Next(conn int, b *logs.Batch, now time.Time) bool {
	b.Reset()
	c := m.conn(conn)
	return c != nil && m.closing.over == nil && m.next(c, b, now)
}

// Effects hands out what is to be done since the last call. The slice is valid until the next
// event.
func (m *Machine) Effects() []Effect {
	e := m.effects
	m.effects = m.effects[:0]
	return e
}
