package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// send appends a message. The caller has checked the bound.
func (m *serverMachine) send(kind lineKind, payload []byte, now time.Time) uint64 {
	n := m.out.append(kind, payload)
	m.lastLog = now
	m.step(now)
	return n
}

// taken is called after in.done. Having taken the client's !close the session is over (HF1-CLO-03).
func (m *serverMachine) taken(r received, now time.Time) {
	m.in.done(r)
	if r.close != nil && m.over == nil {
		m.finish(ending{code: transport.Code(r.close.Code), reason: r.close.Reason, remote: true})
		return
	}
	m.step(now)
}

// end closes the session from this side.
func (m *serverMachine) end(code transport.Code, reason string, now time.Time) {
	if m.over != nil || m.out.closing != 0 {
		return
	}
	m.own = ending{code: code, reason: reason}
	m.out.appendClose(closeControl{Code: uint64(code), Reason: reason})
	m.closeBy = now.Add(m.cfg.grace)
	m.step(now)
}

// finish ends the session: closed goes out on every carrier (HF1-CLO-03).
func (m *serverMachine) finish(e ending) {
	if m.over != nil {
		return
	}
	e.recv, e.known = m.in.given, true
	m.over, m.deadline = &e, time.Time{}
	m.in.discard()
	last := appendControl(nil, true, "closed", m.closedControl())
	for _, p := range m.paths {
		p.ctl = append(p.ctl, last...)
		m.lastWords(p, e.code)
	}
	m.paths, m.sel = nil, nil
}

// closedControl is the final word, also of the tombstone (HF1-WHO-11). What the application was handed counts as delivered although it may
// not have finished with it: nobody can take it back.
func (m *serverMachine) closedControl() closedControl {
	return closedControl{Code: uint64(m.over.code), Reason: m.over.reason, Recv: m.in.given, Ack: m.out.base}
}
