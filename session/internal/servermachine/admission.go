package servermachine

import (
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// admit checks a parsed batch before any of it acts (HF1-BAT-01). first: it begins with an address.
// full: the memory for messages is short, and whoever owns this session has more than a share of it.
// A session that then brings more, while something that it brought is untaken, is ended.
func (m *Machine) admit(p *wire.Packet, ctl []wire.Control, first, full bool) error {
	if full && p.Logs > 0 && m.in.Held() > 0 {
		return &wire.ProtocolError{Code: transport.CodeSlow, Detail: "the server holds all it may"}
	}
	if err := checkPlaces(ctl, first); err != nil {
		return err
	}
	if err := machine.CheckPositions(&m.out, p, ctl); err != nil {
		return err
	}
	if err := machine.CheckWindow(&m.in, p, m.cfg.Window, m.cfg.MaxMessage); err != nil {
		return err
	}
	return m.in.Check(p, m.cfg.MaxMessage)
}

// fault ends the conn of a batch that breaks a rule, and with it the attachment of a WebSocket
// (HF1-ERR-01). The session ends when two in a row did, on attachments of two transports
// (HF1-ERR-02), or when the rule was the window's or the server's bound.
func (m *Machine) fault(c *Conn, a *attachment, err error) {
	code, kind := wire.CodeOf(err), c.kind
	if a != nil {
		kind = a.kind
	}
	repeated := m.faults.Note(code, kind)
	if code == transport.CodeWindow || code == transport.CodeSlow || repeated {
		m.finish(machine.Ending{Code: code, Reason: wire.RuleOf(err)})
	}
	reason := "malformed"
	if code == transport.CodePosition {
		reason = "position"
	}
	m.observe(c.kind, Observation{Kind: Refused, Reason: reason, Count: 1})
	if m.closing.over == nil {
		if a != nil && a.conn == c {
			m.removeAttachment(a)
		}
		c.Refuse(wire.Refused{Reason: reason})
	} else if !c.ending { // a POST: the final word is its answer
		c.AnswerClosed(m.finalWord())
		c.closeCode = code
	}
	m.wake(c)
}
