package servermachine

import (
	"crypto/subtle"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// choose moves the selection (HF1-SEL-01, HF1-SEL-08).
func (m *Machine) choose(a *attachment, u, recv uint64, now time.Time) {
	old := m.selection.current
	if old != nil && old != a {
		m.missed(old, recv)
		if old.isUnread() {
			m.endAttachment(old, transport.CodeSlow)
		} else {
			old.queueControl(wire.Detach{Code: uint64(transport.CodeSuperseded)})
			old.standbySince = now
		}
	}
	if m.selection.u > 0 && old != a {
		from := "none"
		if old != nil {
			from = machine.TransportOf(old.kind)
		}
		m.observe(a.kind, Observation{Kind: Selected, From: from, Count: 1})
	}
	m.selection = selection{u: u, current: a, att: a.att}
	a.standbySince = time.Time{}
	a.pos = m.out.SendFrom(recv)
	m.in.ForgetAckSent()
}

// use selects an attachment on which the client was heard. A late or repeated one only gets an
// answer (HF1-SEL-03, HF1-SEL-04).
func (m *Machine) use(c *Conn, a *attachment, v *wire.Use, now time.Time) {
	heard := subtle.ConstantTimeCompare([]byte(v.Challenge), []byte(a.challenge)) == 1
	if v.U > m.selection.u && heard && v.Att == a.att {
		m.choose(a, v.U, v.Recv, now)
	}
	if c.kind == transport.KindSocket {
		a.answer(c, m.reply())
	}
}

// reply is what every POST reply says, and the answer to use.
func (m *Machine) reply() wire.Reply {
	return wire.Reply{Recv: m.in.Received(), Sent: m.out.Written(), Sel: m.selection.stated()}
}

func (s *selection) stated() wire.Selection { return wire.Selection{U: s.u, Att: s.att} }
