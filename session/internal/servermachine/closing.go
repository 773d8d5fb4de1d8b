package servermachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// closeLog appends !close: it takes its number, so all before it is delivered first (HF1-CLO-01).
func (m *Machine) closeLog(code transport.Code, reason string, now time.Time) {
	m.closing.own = &machine.Ending{Code: code, Reason: reason}
	m.out.AppendClose(wire.Close{Code: uint64(code), Reason: reason})
	m.closing.by = now.Add(m.cfg.CloseTimeout)
}

// taken is called when the application has taken r. With the client's !close the session is over
// (HF1-CLO-03).
func (m *Machine) taken(r logs.Received) {
	m.in.Done(r)
	m.liveness.progress++
	if r.Close != nil {
		m.finish(machine.Ending{Code: transport.Code(r.Close.Code), Reason: r.Close.Reason, Remote: true})
	}
}

// finish ends the session: closed goes out on every conn (HF1-CLO-03).
func (m *Machine) finish(e machine.Ending) {
	if m.closing.over != nil {
		return
	}
	m.closing.over = &e
	m.deadline.Clear()
	last := wire.AppendControl(nil, m.finalWord())
	m.in.Discard()
	for _, a := range m.attachments.list {
		a.controls = append(a.controls, last...)
		m.flushAndClose(a, e.Code)
	}
	m.attachments.list, m.selection.current = nil, nil
	m.out.Discard()
}

// finalWord is also that of the tombstone (HF1-WHO-11). What the application was given counts as
// delivered although it may not have finished with it: nobody can take it back.
func (m *Machine) finalWord() wire.Closed {
	e := m.closing.over
	return wire.Closed{Code: uint64(e.Code), Reason: e.Reason, Recv: m.in.Given(), Ack: m.out.Acked()}
}

// judgeEnd looks at what ends a session by time.
func (m *Machine) judgeEnd(now time.Time) {
	l, c := &m.liveness, &m.closing
	closing := m.out.Closing()
	switch {
	case !l.confirmed && m.due(now, l.created.Add(confirmTimeout)): // HF1-WHO-10
		c.neverKnew = true
		m.finish(machine.Ending{Code: transport.CodeExpired, Reason: "never attached"})
	case m.due(now, l.lastReceived.Add(m.cfg.TTL)): // HF1-LIV-08
		m.finish(machine.Ending{Code: transport.CodeExpired, Reason: "ttl"})
	case m.due(now, c.expiresAt):
		m.finish(machine.Ending{Code: transport.CodeAuth, Reason: "identity expired"})
	case closing != 0 && (m.out.Acked() >= closing || m.due(now, c.by)): // HF1-CLO-04
		m.finish(*c.own)
	}
}

// confirmTimeout is how long a client may take to show that it knows its run.
const confirmTimeout = 20 * time.Second
