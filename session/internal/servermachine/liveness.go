package servermachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	standbyTTL    = 30 * time.Second // HF1-SEL-08
	activePing    = 5 * time.Second  // while log lines come and go (HF1-LIV-01)
	maxUnanswered = 2                // pings (HF1-LIV-03)
)

// judgeAttachment looks at one attachment: pings that are due, clients that do not answer, standbys
// that nobody wants.
func (m *Machine) judgeAttachment(a *attachment, now time.Time) {
	switch {
	case a != m.selection.current && m.due(now, a.standbySince.Add(standbyTTL)): // HF1-SEL-08
		m.endAttachment(a, transport.CodeDetached)
	case a.kind == transport.KindStream && a.stream.carried >= 2*m.cfg.MaxStreamBytes: // HF1-SSE-07
		m.loseAttachment(a, transport.CodeRotate) // it may have died of it, and its end would no longer be noticed (I7)
	case a.kind == transport.KindOpen: // HF1-LIV-03
		if len(a.polls.hanging) == 0 && m.due(now, m.idleAt(a)) {
			m.loseAttachment(a, transport.CodeIdle)
		}
	default:
		m.maybePing(a, now)
	}
}

// maybePing pings an attachment that was silent for long, and ends one that answers no more.
func (m *Machine) maybePing(a *attachment, now time.Time) {
	interval := m.cfg.Ping
	if now.Sub(m.liveness.lastLog) < machine.ActivityTTL {
		interval = min(interval, activePing)
		m.due(now, m.liveness.lastLog.Add(machine.ActivityTTL))
	}
	if !m.due(now, a.lastSent.Add(interval)) {
		return
	}
	if a.ping.unanswered >= maxUnanswered { // HF1-LIV-03
		m.loseAttachment(a, transport.CodeIdle)
		return
	}
	m.liveness.pings++
	a.ping = pingState{i: m.liveness.pings, at: now, unanswered: a.ping.unanswered + 1}
	a.lastSent = now
	a.queueControl(wire.Ping{I: a.ping.i})
	a.controls = m.appendGrease(a.controls)
	m.due(now, now.Add(interval))
}

// appendGrease adds a control that nobody knows to about one ping in thirteen (HF1-BAT-13): a draw
// is 22 of 64 characters, of which five sort before "4".
func (m *Machine) appendGrease(ctl []byte) []byte {
	draw := m.cfg.Random()
	if draw[0] >= '4' {
		return ctl
	}
	return wire.AppendGrease(ctl, [4]byte([]byte(draw[1:])))
}

// planAck plans the ack that goes alone (HF1-NUM-11). Long polls have nothing to carry it: the
// reply to the client's next request does.
func (m *Machine) planAck(now time.Time) {
	if m.selection.current == nil {
		m.ack.Stop()
		return
	}
	m.ack.Plan(&m.in, m.cfg.Window, m.selection.current.kind, now)
	if m.in.AckOwed() {
		m.due(now, m.ack.At())
	}
}
