package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// ending tells how a session ended.
type ending struct {
	code   transport.Code
	reason string
	recv   uint64 // what the peer has taken of our log, if known
	known  bool
	remote bool
}

const closeGrace = 10 * time.Second

// end closes the session from this side: !close takes its number, so all before it is delivered first (HF1-CLO-01).
func (m *clientMachine) end(code transport.Code, reason string, now time.Time) {
	if m.over != nil || m.out.closing != 0 {
		return
	}
	if m.run == "" && m.out.last() == 0 { // nobody was told anything
		m.finish(ending{code: code, reason: reason, known: true})
		return
	}
	m.out.appendClose(closeControl{Code: uint64(code), Reason: reason})
	m.closeBy, m.progress = now.Add(closeGrace), now
	m.step(now)
}

// fault ends the path of a batch that breaks a rule; the same twice in a row, on two transports, ends the session (HF1-ERR-02).
func (m *clientMachine) fault(c *clientConn, err error, now time.Time) {
	code := codeOf(err)
	other := m.lastFault == code && c.path.way.name != m.faultWay()
	m.kill(c.path, code, err.Error(), now)
	if other || code == transport.CodeWindow { // a message above the limit can never be taken (HF1-NUM-10)
		m.finish(ending{code: code, reason: ruleOf(err)})
		return
	}
	m.lastFault = code
	for _, w := range m.ways {
		w.faulted = w == c.path.way
	}
}

func (m *clientMachine) faultWay() string {
	for _, w := range m.ways {
		if w.faulted {
			return w.name
		}
	}
	return ""
}

// finish ends the session; fates are read from out and over (HF1-CLO-05). A peer that has closed has the last word.
func (m *clientMachine) finish(e ending) {
	if m.over != nil {
		return
	}
	if c := m.peerClosed; c != nil {
		e.code, e.reason, e.remote = transport.Code(c.Code), c.Reason, true
	}
	m.over = &e
	for _, p := range m.paths {
		p.state = pathGone
	}
	for _, c := range m.conns {
		m.actions = append(m.actions, action{kind: actHangup, conn: c.id, code: e.code})
	}
	m.paths, m.conns, m.cur = nil, nil, nil
	m.actions = append(m.actions, action{kind: actOver})
}

// ending waits for the last words (HF1-CLO-04).
func (m *clientMachine) ending(now time.Time) {
	if m.peerClosed != nil && m.due(now, m.closeAck) {
		m.closeAck = now.Add(m.patience())
		m.in.told, m.ackAt = 0, now // the ack is said again until closed comes
		if m.cur != nil && m.cur.pingI == 0 {
			m.pingPath(m.cur, now) // else nothing would tell that the path has died
		}
		m.due(now, m.closeAck)
	}
	if !m.due(now, m.closeBy) {
		return
	}
	m.finish(ending{code: transport.CodeDone})
}
