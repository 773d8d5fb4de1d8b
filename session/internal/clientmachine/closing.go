package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// closeTimeout is how long a close waits when nothing is confirmed (HF1-CLO-04).
const closeTimeout = 10 * time.Second

// closeLog closes the session from this side: !close takes its number, so all before it is
// delivered first (HF1-CLO-01).
func (m *Machine) closeLog(code transport.Code, reason string, now time.Time) {
	if m.server.run == "" && m.out.Last() == 0 { // nobody was told anything
		m.finish(machine.Ending{Code: code, Reason: reason, Known: true})
		return
	}
	m.closing.own = &machine.Ending{Code: code, Reason: reason}
	m.out.AppendClose(wire.Close{Code: uint64(code), Reason: reason})
	m.closing.by, m.liveness.progress = now.Add(closeTimeout), now
}

// taken is called when the application has taken r.
func (m *Machine) taken(r logs.Received, now time.Time) {
	m.in.Done(r)
	if r.Close != nil && m.closing.over == nil {
		m.closing.peer, m.closing.ackAgain, m.closing.by = r.Close, now, now.Add(closeTimeout)
	}
}

// finish ends the session. Fates are read from the log and the ending (HF1-CLO-05). A peer that has
// closed has the last word.
func (m *Machine) finish(e machine.Ending) {
	if m.closing.over != nil {
		return
	}
	if c := m.closing.peer; c != nil {
		e.Code, e.Reason, e.Remote = transport.Code(c.Code), c.Reason, true
	}
	m.closing.over = &e
	for _, a := range m.attachments.list {
		a.state = gone
	}
	for _, c := range m.attachments.conns {
		m.emit(Effect{Kind: HangUp, Conn: c.id, Code: e.Code})
	}
	m.attachments.list, m.attachments.conns, m.selection.current = nil, nil, nil
	m.emit(Effect{Kind: Over})
}

// abort ends the session at once, and drops what is sent and what waits.
func (m *Machine) abort(code transport.Code, reason string) {
	if m.closing.over != nil {
		return
	}
	m.closing.peer = nil // its word was not the last
	m.finish(machine.Aborted(&m.out, code, reason))
	m.out.Discard()
	m.in.Discard()
	m.deadline.Clear()
}

// closedBy is the final word of the server.
func (m *Machine) closedBy(v *wire.Closed) {
	// Without a run it may not be the only session of this key: a server that was started anew
	// knows nothing of what the one before took.
	m.finish(machine.Ending{
		Code: transport.Code(v.Code), Reason: v.Reason, Taken: v.Recv, Known: m.server.run != "", Remote: true,
	})
}

// fault ends the attachment of a batch that breaks a rule. The same twice in a row, on two
// transports, ends the session (HF1-ERR-02).
func (m *Machine) fault(a *attachment, err error, now time.Time) {
	code := wire.CodeOf(err)
	repeated := m.faults.Note(code, a.transport)
	m.endAttachment(a, code, err.Error(), now)
	// A message above the limit can never be taken, and a window that is overrun once is no window
	// (HF1-NUM-10).
	if repeated || code == transport.CodeWindow {
		m.finish(machine.Ending{Code: code, Reason: wire.RuleOf(err)})
	}
}

// judgeEnd waits for the last words (HF1-CLO-04).
func (m *Machine) judgeEnd(now time.Time) {
	c := &m.closing
	if c.peer != nil && m.due(now, c.ackAgain) {
		c.ackAgain = now.Add(m.responseTimeout())
		m.ack.SendNow(&m.in, now) // the ack is sent again until closed comes
		if a := m.selection.current; a != nil && a.ping.i == 0 {
			m.ping(a, now) // else nothing would tell that the attachment has died
		}
		m.due(now, c.ackAgain)
	}
	if m.due(now, c.by) {
		e := machine.Ending{Code: transport.CodeDone}
		if c.own != nil {
			e.Code = c.own.Code
		}
		m.finish(e)
	}
}
