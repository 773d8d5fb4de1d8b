package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// drainTimeout is how long an old attachment is read after another was selected.
const drainTimeout = 5 * time.Second

// confirm reads a selection that the server states (HF1-SEL-06): an attachment is ours only if it
// is named with our own highest u.
func (m *Machine) confirm(stated wire.Selection, now time.Time) {
	m.selection.confirmed = max(m.selection.confirmed, stated.U)
	if stated.U != m.selection.u {
		return
	}
	for _, a := range m.attachments.list {
		if a.att == stated.Att && a.state == open {
			a.use = useState{}
			m.choose(a, now)
			return
		}
	}
}

// choose makes a the attachment in use. The old one is read a while longer.
func (m *Machine) choose(a *attachment, now time.Time) {
	old := m.selection.current
	m.selection.current = a
	a.standing.detached, a.drainUntil = false, time.Time{}
	m.again = true
	if old == a { // no news, and no end of what is tried beside it
		return
	}
	m.race.restart(time.Time{})
	m.trace(Selected, a, "")
	m.liveness.progress = now
	m.in.ForgetAckSent() // nothing proves that the last ack arrived
	if old != nil && old.state != gone {
		old.drainUntil = now.Add(drainTimeout)
	}
}

// use selects an attachment that stands by, if a selection may be made now (HF1-SEL-03,
// HF1-SEL-07).
func (m *Machine) use(a *attachment, now time.Time) bool {
	if !m.maySelect() {
		return false
	}
	m.selection.u++
	a.use.by = now.Add(2 * m.responseTimeout())
	m.sendUse(a, now)
	m.choose(a, now)
	return true
}

// sendUse sends use, and again until it is answered (HF1-SEL-04).
func (m *Machine) sendUse(a *attachment, now time.Time) {
	a.use.againAt = now.Add(m.responseTimeout() / 2)
	m.due(now, a.use.againAt)
	a.queueControl(wire.Use{U: m.selection.u, Att: a.att, Challenge: a.challenge, Recv: m.in.Received()})
}

// maySelect: the last u was confirmed, or every attachment it went out on was given up
// (HF1-SEL-07).
func (m *Machine) maySelect() bool {
	if m.selection.confirmed >= m.selection.u {
		return true
	}
	for _, a := range m.attachments.list {
		if !a.use.by.IsZero() || a.state == opening && a.u == m.selection.u {
			return false
		}
	}
	return true
}

// nextU is the u of the next open: racing opens share one (HF1-SEL-02), and there is one selection
// at a time (HF1-SEL-07).
func (m *Machine) nextU() uint64 {
	u := m.selection.u
	for _, a := range m.attachments.list {
		if a.state == opening && a.u == u && u != 0 {
			return u
		}
	}
	if m.maySelect() {
		m.selection.u++
	}
	return m.selection.u
}

// detached: no more data on this attachment. It may be selected again, unless it is gone
// (HF1-SEL-08, HF1-SEL-09).
func (m *Machine) detached(a *attachment, d *wire.Detach, now time.Time) {
	m.trace(Detached, a, "")
	if d.Gone {
		m.endAttachment(a, transport.Code(d.Code), "detached", now)
		return
	}
	a.standing.detached = true
	if a != m.selection.current && a.drainUntil.IsZero() {
		a.drainUntil = now.Add(drainTimeout)
	}
}

// replied reads what every POST reply says, and the answer to use.
func (m *Machine) replied(a *attachment, r *wire.Reply, now time.Time) {
	a.posts.misrouted = 0
	if r.Recv > m.attachments.confirmedPosition {
		m.attachments.confirmedPosition, m.race.tries = r.Recv, 0
		a.transport.limit.Acknowledged(&a.inFlight, r.Recv) // the application's ack may lag behind many POSTs
	}
	l, received := &m.liveness, m.in.Received()
	if r.Sent > received && l.sentDown <= received { // since then; a server that goes on sending moves no deadline
		l.sentDownAt = now
	}
	l.sentDown = max(l.sentDown, r.Sent)
	m.confirm(r.Sel, now)
}
