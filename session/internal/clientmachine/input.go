package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	// pollInterval keeps empty answers that come at once from calling for another at once
	// (HF1-POL-07).
	pollInterval = 100 * time.Millisecond
	// minRewindInterval is the least time between two rewinds.
	minRewindInterval = 250 * time.Millisecond
)

// receive parses one batch and lets it act.
func (m *Machine) receive(c *conn, b transport.Batch, p *wire.Packet, now time.Time) {
	err := p.Parse(b, m.cfg.MaxBatch)
	var ctl []wire.Control
	if err == nil {
		if ctl, err = wire.DecodeControls(p); err == nil {
			err = m.admit(c, p, ctl)
		}
	}
	if err != nil {
		m.fault(c.attachment, err, now)
	} else {
		m.apply(c, p, ctl, now)
	}
}

// admit checks what would end the attachment, or the session, before anything of the batch acts
// (HF1-BAT-01, HF1-NUM-09, HF1-NUM-10).
func (m *Machine) admit(c *conn, p *wire.Packet, ctl []wire.Control) error {
	a, opened := c.attachment, wire.Find[*wire.Opened](ctl)
	if opened != nil && opened.Att != a.att {
		return &wire.ProtocolError{Code: transport.CodeMalformed, Detail: "opened of another attachment"}
	}
	if a.state != open && opened == nil { // what it states before it is open is nobody's position
		ctl = nil
	}
	if err := machine.CheckPositions(&m.out, p, ctl); err != nil {
		return err
	}
	if err := machine.CheckWindow(&m.in, p, m.server.window, m.cfg.MaxMessage); err != nil {
		return err
	}
	return m.in.Check(p, m.cfg.MaxMessage)
}

// apply lets an admissible batch act: ack, then lines in order.
func (m *Machine) apply(c *conn, p *wire.Packet, ctl []wire.Control, now time.Time) {
	a := c.attachment
	if c.kind != transport.KindUp || a.isPoll() { // an answer to a POST says nothing of a stream
		a.silence.noteReceived(now)
	}
	if !c.by.IsZero() { // what comes on a stream says nothing of what is posted for it
		a.posts.postAnswered(now)
	}
	opened := wire.Find[*wire.Opened](ctl)
	// A run that is not ours is a fault of the attachment, before its ack or lines act (HF1-WHO-06).
	if opened != nil && m.server.run != "" && opened.Run != m.server.run {
		m.endAttachment(a, transport.CodeFault, "another run", now)
		return
	}
	if a.state == opening && opened == nil {
		m.answerless(c, ctl, now)
		return
	}
	m.faults.Clear()
	gap, err := m.accept(c, p, now)
	if err != nil { // admit has looked; only a broken !close comes here
		m.fault(a, err, now)
		return
	}
	for _, v := range ctl {
		m.control(c, v, now)
	}
	if gap && a == m.selection.current && m.closing.over == nil {
		m.requestRewind(a, now)
	}
}

// accept takes the ack and the lines of a batch.
func (m *Machine) accept(c *conn, p *wire.Packet, now time.Time) (gap bool, err error) {
	news := m.acknowledge(p.Ack, now)
	before := m.in.Received()
	if _, gap, err = m.in.Accept(p); err != nil {
		return false, err
	}
	if m.in.Received() > before {
		m.noteActive(now)
		m.liveness.sentDownAt, news = now, true
	}
	if news {
		m.race.tries = 0
	} else if c.kind == transport.KindPoll {
		c.attachment.poll.notBefore = c.born.Add(pollInterval)
	}
	return gap, nil
}

// answerless handles a batch without opened on an attachment that waits for one: a refusal, a final
// word, or nonsense.
func (m *Machine) answerless(c *conn, ctl []wire.Control, now time.Time) {
	for _, v := range ctl {
		switch v.(type) {
		case *wire.Refused, *wire.Closed, *wire.Detach:
			m.control(c, v, now)
			return
		}
	}
	m.endAttachment(c.attachment, transport.CodeFault, "no opened", now)
}

// requestRewind asks for what is missing, once a round trip (HF1-NUM-06). On long polls the next
// poll does.
func (m *Machine) requestRewind(a *attachment, now time.Time) {
	if a.isPoll() || now.Sub(m.rewindAt) < max(m.liveness.rtt, minRewindInterval) {
		return
	}
	m.rewindAt = now
	a.queueControl(wire.Rewind{Recv: m.in.Received()})
}

// acknowledge frees the log (I2) and moves positions that an ack has overtaken (HF1-NUM-08).
func (m *Machine) acknowledge(ack uint64, now time.Time) bool {
	if !m.out.Acknowledge(ack) {
		return false
	}
	m.liveness.progress = now
	if !m.closing.by.IsZero() { // the end is coming nearer
		m.closing.by = now.Add(closeTimeout)
	}
	m.attachments.confirmedPosition = max(m.attachments.confirmedPosition, ack)
	for _, a := range m.attachments.list {
		a.pos = m.out.SendFrom(a.pos)
		a.transport.limit.Acknowledged(&a.inFlight, ack)
		a.posts.failures = 0 // what was posted has arrived, if not its answer
	}
	return true
}

// control lets one control act. What to do with a new one is said here.
func (m *Machine) control(c *conn, v wire.Control, now time.Time) {
	a := c.attachment
	switch v := v.(type) {
	case *wire.Opened:
		m.opened(c, v, now)
	case *wire.Reply:
		m.replied(a, v, now)
	case *wire.Refused:
		m.refused(c, v, now)
	case *wire.Detach:
		m.detached(a, v, now)
	case *wire.Closed:
		m.acknowledge(min(v.Recv, m.out.Written()), now)
		m.closedBy(v)
	case *wire.Rewind:
		a.pos = m.out.SendFrom(v.Recv)
	case *wire.Ping:
		if len(a.controls) <= machine.MaxQueuedControls { // a server that asks and does not read loses its answers
			a.queueControl(wire.Pong(*v))
		}
	case *wire.Pong:
		m.ponged(a, v.I, now)
	case *wire.Beacon:
		if a.stream.beacons = max(a.stream.beacons, v.I); v.I >= 2 {
			a.stream.beaconsBy = time.Time{}
		}
	case *wire.Move:
		m.move(a, "move", now)
	}
}
