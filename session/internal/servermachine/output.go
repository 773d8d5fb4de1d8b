package servermachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Next tells what became of a call of [Machine.Next].
type Next uint8

// What Next says.
const (
	Nothing   Next = iota // nothing to write now
	Wrote                 // a batch was made; ask again
	WroteLast             // a batch was made; the conn ends after it
	Ended                 // nothing to write, and the conn ends
)

const (
	// firstBytes is what every network that is of any use passes (I7).
	firstBytes = 2048
	// secondBeacon is how long after the first beacon the second follows (HF1-SSE-02).
	secondBeacon = 300 * time.Millisecond
)

// next writes the next batch of conn c into b.
func (m *Machine) next(c *Conn, b *logs.Batch, now time.Time) Next {
	switch a := c.attachment; {
	case c.gone:
		return Nothing
	case c.ending:
		c.gone = true
		if len(c.controls) == 0 {
			return Ended
		}
		m.writeControls(b, c.controls, false)
		return WroteLast
	case c.kind == transport.KindSocket || c.kind == transport.KindStream:
		if a == nil || a.conn != c || !m.hasOutput(a, now) {
			return Nothing
		}
		m.writeDown(c, a, b, now)
		return Wrote
	case c.ready && c.tickets == 0:
		c.gone = true
		m.writeReply(c, a, b, now)
		return WroteLast
	}
	return Nothing
}

// hasOutput: controls, beacons, lines that the window lets go, or an ack that is due.
func (m *Machine) hasOutput(a *attachment, now time.Time) bool {
	switch {
	case len(a.controls) > 0:
		return true
	case a.stream.beacon == 1, a.stream.beacon > 1 && m.due(now, a.stream.beaconAt):
		return true
	case a != m.selection.current:
		return false
	}
	return m.out.Fits(a.pos+1, m.cfg.Window) || m.ack.IsDue(now)
}

// wakeWriters wakes what has something to write.
func (m *Machine) wakeWriters(a *attachment, now time.Time) {
	if a.conn != nil && m.hasOutput(a, now) {
		m.wake(a.conn)
	}
	if len(a.polls.hanging) == 0 {
		return
	}
	if m.hasOutput(a, now) || m.due(now, a.polls.until) { // HF1-POL-03
		for _, c := range a.polls.hanging { // the same answer for each copy (HF1-POL-02)
			c.ready, c.pos, c.controls = true, a.pos, append(c.controls, a.controls...)
			m.wake(c)
		}
		a.polls.hanging, a.controls = nil, nil
		m.due(now, m.idleAt(a))
	}
}

// idleAt is when long polls without a request have been silent for too long (HF1-LIV-03).
func (m *Machine) idleAt(a *attachment) time.Time {
	return a.lastReceived.Add(m.cfg.Hold + 2*m.cfg.Ping)
}

// writeControls makes a batch without lines.
func (m *Machine) writeControls(b *logs.Batch, ctl []byte, socket bool) {
	m.out.Fill(b, logs.Fill{
		From: m.out.Acked(), Ack: m.in.Taken(), Controls: ctl, Window: logs.NoLines, Socket: socket,
	})
}

// writeDown makes one frame or event of an attachment.
func (m *Machine) writeDown(c *Conn, a *attachment, b *logs.Batch, now time.Time) {
	ctl := a.takeControls()
	if s := &a.stream; len(ctl) == 0 && (s.beacon == 1 || s.beacon > 1 && !now.Before(s.beaconAt)) {
		m.writeBeacon(a, b, now)
		return
	}
	m.write(a, b, ctl, c.kind == transport.KindSocket, now)
}

// writeBeacon makes an event of its own (HF1-SSE-02).
func (m *Machine) writeBeacon(a *attachment, b *logs.Batch, now time.Time) {
	s := &a.stream
	m.writeControls(b, wire.AppendControl(nil, wire.Beacon{I: s.beacon}), false)
	s.beaconAt = now.Add(secondBeacon)
	if s.beacon++; s.beacon > 2 {
		s.beacon, s.beaconAt = 0, time.Time{}
	}
	m.due(now, s.beaconAt)
	a.lastSent = now
}

// writeReply makes the one batch of a POST's reply.
func (m *Machine) writeReply(c *Conn, a *attachment, b *logs.Batch, now time.Time) {
	if c.kind != transport.KindOpen {
		c.controls = wire.AppendControl(c.controls, m.reply())
	}
	// What long polls have to say. wakeWriters gives it to the polls themselves.
	if a != nil && a.kind == transport.KindOpen && c.kind == transport.KindUp {
		c.controls = append(c.controls, a.takeControls()...)
	}
	overtaken := a != nil && c.poll < a.polls.number // a poll that a later one overtook must not move the attachment
	if c.empty || a == nil || a != m.selection.current || overtaken {
		m.writeControls(b, c.controls, false)
		m.noteAckSent()
		return
	}
	a.pos = m.out.SendFrom(c.pos)
	m.write(a, b, c.controls, false, now)
}

// write fills a batch with the lines of the selected attachment, or with controls alone.
func (m *Machine) write(a *attachment, b *logs.Batch, ctl []byte, socket bool, now time.Time) {
	a.lastSent = now
	if a != m.selection.current {
		m.writeControls(b, ctl, socket)
		return
	}
	limit := min(a.maxBatch, m.limit(a).Bytes())
	if !m.liveness.confirmed {
		// If the attachment dies of its batch now, that cannot be remembered: the client knows of
		// no session to come back to (HF1-ATT-07).
		limit = min(limit, firstBytes)
	}
	before, written := a.pos, m.out.Written()
	a.pos = m.out.Fill(b, logs.Fill{
		From: a.pos, Ack: m.in.Taken(), Controls: ctl, Window: m.cfg.Window, Limit: limit, Socket: socket,
	})
	if a.pos > before {
		m.noteLines(a, b.Size(), now)
		if before < written {
			m.observe(a.kind, Observation{Kind: Replayed, Count: int(min(a.pos, written) - before)})
		}
	}
	m.noteAckSent()
}

// noteLines books a batch with log lines.
func (m *Machine) noteLines(a *attachment, size int, now time.Time) {
	if now.Sub(m.liveness.lastLog) >= machine.ActivityTTL { // HF1-LIV-01: pings come more often from now on
		m.due(now, now.Add(time.Millisecond))
	}
	m.liveness.lastLog = now
	a.inFlight.Wrote(size, a.pos)
	m.noteCarried(a, size, now)
}

// noteCarried counts what a stream has brought down: what reads it may keep all of it (HF1-SSE-07).
// The client is asked for a fresh one in time.
func (m *Machine) noteCarried(a *attachment, size int, now time.Time) {
	before := a.stream.carried
	a.stream.carried += int64(size)
	switch limit := m.cfg.MaxStreamBytes; {
	case a.kind != transport.KindStream:
	case before < limit && a.stream.carried >= limit:
		a.queueControl(wire.Move{})
	case a.stream.carried >= 2*limit:
		m.due(now, now.Add(time.Millisecond))
	}
}

// noteAckSent: the ack was written on an attachment that counts.
func (m *Machine) noteAckSent() {
	m.in.NoteAckSent()
	m.ack.Stop()
}
