package servermachine

import (
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// ID is the session's public name.
func (m *Machine) ID() string { return m.who.ID }

// Principal is the session's owner, Origin the Origin of the request that created it.
func (m *Machine) Principal() string { return m.who.Principal }

// Origin is the Origin of the request that created the session.
func (m *Machine) Origin() string { return m.who.Origin }

// Run tells this session from others of the same key.
func (m *Machine) Run() string { return m.run }

// Transport names what carries the session, "" while nothing does.
func (m *Machine) Transport() string {
	if m.selection.current == nil {
		return ""
	}
	return machine.TransportOf(m.selection.current.kind)
}

// Sent is the number of the newest line of the log.
func (m *Machine) Sent() uint64 { return m.out.Last() }

// Acked is the highest number that the client has acknowledged.
func (m *Machine) Acked() uint64 { return m.out.Acked() }

// Buffered are the window bytes that were sent and not acknowledged.
func (m *Machine) Buffered() int64 { return m.out.Bytes() }

// Bounds are how many window bytes may be buffered, and the largest message, in bytes.
func (m *Machine) Bounds() (buffer int64, maxMessage int) { return m.cfg.Window, m.cfg.MaxMessage }

// Closing tells whether this side has closed its log.
func (m *Machine) Closing() bool { return m.out.Closing() != 0 }

// Ended tells whether the session has ended.
func (m *Machine) Ended() bool { return m.closing.over != nil }

// Ending tells how the session ended. False: it has not, and the ending is what this side's !close
// has asked for, if it has.
func (m *Machine) Ending() (e machine.Ending, ended bool) {
	switch {
	case m.closing.over != nil:
		return *m.closing.over, true
	case m.closing.own != nil:
		return *m.closing.own, false
	}
	return e, false
}

// Fate tells what became of the messages sent: see [machine.Ending.Fate].
func (m *Machine) Fate() (sent, delivered uint64, exact bool) {
	e, _ := m.Ending()
	return e.Fate(&m.out)
}

// Retained is what this session keeps in memory because of its messages, in bytes. Messages that
// other sessions keep too are not counted.
func (m *Machine) Retained() int64 {
	if m.closing.over != nil {
		return 0
	}
	n := m.out.Memory() + m.in.Memory()
	for _, a := range m.attachments.list {
		n += int64(cap(a.controls))
	}
	return n
}

// Progress changes when a message was acknowledged, received whole or taken.
func (m *Machine) Progress() uint32 { return m.liveness.progress }

// Tombstone is what remains of the session when it has ended. False: nothing, since its client
// never knew it.
func (m *Machine) Tombstone() (wire.Closed, bool) { return m.finalWord(), !m.closing.neverKnew }

// Snapshot is what a machine looks like at one moment, for tests and for people who debug.
type Snapshot struct {
	// U and Att are the selection.
	U, Att uint64
	// Attachments is how many there are.
	Attachments int
	// QueuedControls are the bytes of the longest queue of controls, HangingPolls the most copies
	// of one poll.
	QueuedControls, HangingPolls int
	// Written, Acked and Last are of the log of what is sent; Received, Taken and Given of the
	// other.
	Written, Acked, Last   uint64
	Received, Taken, Given uint64
	// Held are the window bytes received and not taken.
	Held int64
	// Wakes is how many conns are to be woken that Effects has not given out yet.
	Wakes int
}

// Snapshot looks at the machine and changes nothing.
func (m *Machine) Snapshot() Snapshot {
	s := Snapshot{
		U: m.selection.u, Att: m.selection.att, Attachments: len(m.attachments.list),
		Written: m.out.Written(), Acked: m.out.Acked(), Last: m.out.Last(),
		Received: m.in.Received(), Taken: m.in.Taken(), Given: m.in.Given(),
		Held: m.in.Held(), Wakes: len(m.effects.wakers),
	}
	for _, a := range m.attachments.list {
		s.QueuedControls = max(s.QueuedControls, len(a.controls))
		s.HangingPolls = max(s.HangingPolls, len(a.polls.hanging))
	}
	return s
}
