package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// maxEarlyBytes bounds what rides in an open: a network that refuses large bodies must not refuse
// the session.
const maxEarlyBytes = 4096

// pump starts the POSTs that are due and wakes the WebSockets that have something to write.
func (m *Machine) pump(now time.Time) {
	m.planAck(now)
	for _, a := range m.attachments.list {
		switch {
		case a.state != open:
		case a.isSocket():
			if a.down != nil && m.hasOutput(a, now) {
				m.emit(Effect{Kind: Write, Conn: a.down.id})
			}
		default:
			m.pumpPosts(a, now)
		}
	}
}

func (m *Machine) pumpPosts(a *attachment, now time.Time) {
	if a.up == nil && m.hasOutput(a, now) && m.mayPost(a, now) { // HF1-POL-05: one at a time
		a.up = m.dial(a, transport.KindUp, now, now.Add(min(m.responseTimeout(), maxResponseTimeout)))
	}
	if !a.isPoll() || a != m.selection.current || a.down != nil {
		return
	}
	if (a.poll.notBefore.IsZero() || m.due(now, a.poll.notBefore)) && m.mayPost(a, now) {
		a.poll.notBefore = time.Time{}
		by := now.Add(m.holdOf(a.transport) + m.responseTimeout())
		a.down = m.dial(a, transport.KindPoll, now, by) // HF1-POL-04
	}
}

// planAck plans the ack that goes alone (HF1-NUM-11).
func (m *Machine) planAck(now time.Time) {
	kind := transport.KindOpen
	if a := m.selection.current; a != nil {
		kind = a.kind()
	}
	m.ack.Plan(&m.in, m.server.window, kind, now)
	m.due(now, m.ack.At())
}

// hasOutput: controls, log lines that the window lets go, or an ack that is due.
func (m *Machine) hasOutput(a *attachment, now time.Time) bool {
	if len(a.controls) > 0 {
		return true
	}
	return a == m.selection.current && (m.lineWaits(a) || m.ack.IsDue(now))
}

// lineWaits: the window lets a log line go.
func (m *Machine) lineWaits(a *attachment) bool { return m.out.Fits(m.position(a)+1, m.server.window) }

// position is the last up line that counts as sent on the attachment: on HTTP what the server has
// stated, since POSTs go one at a time.
func (m *Machine) position(a *attachment) uint64 {
	if a.isSocket() {
		return a.pos
	}
	return m.out.SendFrom(m.attachments.confirmedPosition)
}

// next writes the next batch of a conn. False: nothing now, or the one batch of a POST is written.
func (m *Machine) next(c *conn, b *logs.Batch, now time.Time) bool {
	a := c.attachment
	switch {
	case c.first && c.kind == transport.KindPoll:
		m.writePoll(a, b)
	case c.first && c.kind == transport.KindUp:
		m.writeUp(c, b, now)
	case c.first:
		m.writeOpen(a, b, now)
	case c.kind == transport.KindSocket && a.state == open && m.hasOutput(a, now):
		m.writeFrame(a, b, now)
	default:
		return false
	}
	if c.kind == transport.KindSocket {
		a.silence.noteSent(now)
		a.silence.lastSent = now
	}
	c.first = false
	return true
}

// writeOpen makes what opens an attachment, with early messages if the server was never heard
// (HF1-ATT-08).
func (m *Machine) writeOpen(a *attachment, b *logs.Batch, now time.Time) {
	ctl := wire.AppendControl(nil, wire.Open{
		V: []uint64{1}, Key: m.cfg.Key, Run: m.server.run, Att: a.att, U: a.u, Recv: m.in.Received(),
		Lim: wire.Limits{MaxBatch: uint64(m.cfg.MaxBatch)}, Auth: m.cfg.Auth, Meta: m.cfg.Meta,
	})
	window := int64(logs.NoLines)
	if m.server.run == "" {
		window = m.server.window
	}
	from := m.out.Acked()
	a.pos = m.write(a, b, logs.Fill{From: from, Controls: ctl, Window: window, Limit: maxEarlyBytes})
	if a.pos > from { // the server pings often from now on, and its silence tells sooner (HF1-LIV-05)
		m.noteActive(now)
	}
}

// writePoll makes the body of a poll. Its lines go by up.
func (m *Machine) writePoll(a *attachment, b *logs.Batch) {
	a.poll.number++
	ctl := wire.AppendControl(nil, wire.Poll{
		Key: m.cfg.Key, Run: m.server.run, Att: a.att, P: a.poll.number, Recv: m.in.Received(),
		Hold: wire.Millis(m.holdOf(a.transport)),
	})
	m.writeControls(b, ctl, false)
	m.in.NoteAckSent()
}

// writeUp makes the body of an up request: address, controls, and log lines if this is the
// attachment in use.
func (m *Machine) writeUp(c *conn, b *logs.Batch, now time.Time) {
	a := c.attachment
	ctl := wire.AppendControl(nil, wire.Up{Key: m.cfg.Key, Run: m.server.run, Att: a.att})
	ctl = append(ctl, a.controls...)
	c.controls, a.controls = a.controls, nil
	window := int64(logs.NoLines)
	if a == m.selection.current {
		window = m.server.window
	}
	m.writeLines(a, b, logs.Fill{From: m.position(a), Controls: ctl, Window: window, Limit: m.server.maxBatch}, now)
}

// writeFrame makes one frame of a WebSocket.
func (m *Machine) writeFrame(a *attachment, b *logs.Batch, now time.Time) {
	ctl := a.controls
	a.controls = nil
	if a != m.selection.current { // no lines here: a first that cannot look like a gap (HF1-NUM-06)
		m.writeControls(b, ctl, true)
		return
	}
	a.pos = m.writeLines(a, b, logs.Fill{
		From: a.pos, Controls: ctl, Window: m.server.window, Limit: m.server.maxBatch, Socket: true,
	}, now)
}

// writeControls makes a batch without lines.
func (m *Machine) writeControls(b *logs.Batch, ctl []byte, socket bool) {
	m.out.Fill(b, logs.Fill{
		From: m.out.Acked(), Ack: m.in.Taken(), Controls: ctl, Window: logs.NoLines, Socket: socket,
	})
}

// writeLines makes a batch that carries the ack.
func (m *Machine) writeLines(a *attachment, b *logs.Batch, f logs.Fill, now time.Time) uint64 {
	to := m.write(a, b, f)
	if to > f.From {
		m.noteActive(now)
	}
	m.in.NoteAckSent()
	m.ack.Stop()
	return to
}

// write fills a batch within what the server and the network take, and books it for HF1-ATT-07.
func (m *Machine) write(a *attachment, b *logs.Batch, f logs.Fill) uint64 {
	f.Ack = m.in.Taken()
	f.Limit = min(f.Limit, a.transport.limit.Bytes())
	if m.liveness.guessedTimeout > minResponseTimeout {
		f.Limit = min(f.Limit, logs.MinBatchLimit) // HF1-LIV-06
	}
	to := m.out.Fill(b, f)
	if to > f.From {
		a.inFlight.Wrote(b.Size(), to)
	}
	return to
}
