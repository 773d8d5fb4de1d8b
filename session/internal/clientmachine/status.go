package clientmachine

import (
	"github.com/holdfast-rt/holdfast/session/internal/machine"
)

// ID is the session's public name, "" before it is open.
func (m *Machine) ID() string { return m.server.id }

// Run tells this session from others of the same key, "" before it is open.
func (m *Machine) Run() string { return m.server.run }

// Transport names what carries the session, "" while nothing does.
func (m *Machine) Transport() string {
	if m.selection.current == nil {
		return ""
	}
	return m.selection.current.transport.name
}

// Sent is the number of the newest line of the log.
func (m *Machine) Sent() uint64 { return m.out.Last() }

// Acked is the highest number that the server has acknowledged.
func (m *Machine) Acked() uint64 { return m.out.Acked() }

// Buffered are the window bytes that were sent and not acknowledged.
func (m *Machine) Buffered() int64 { return m.out.Bytes() }

// Bounds are how many window bytes may be buffered, and the largest message that the server takes,
// in bytes.
func (m *Machine) Bounds() (buffer int64, maxMessage int) { return m.cfg.Buffer, m.server.maxMessage }

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

// Snapshot is what a machine looks like at one moment, for tests and for people who debug.
type Snapshot struct {
	// U is the highest selection number used. Att is the attachment in use, 0 if none is.
	U, Att uint64
	// Attachments and Conns are how many there are.
	Attachments, Conns int
	// LastConn is the number of the newest conn.
	LastConn int
	// Requests are the most conns of one attachment, QueuedControls the bytes of the longest queue
	// of controls.
	Requests, QueuedControls int
	// Learned counts the idle gaps and ages that the client believes in.
	Learned int
	// Written, Acked and Last are of the log of what is sent; Received and Taken of the other.
	Written, Acked, Last uint64
	Received, Taken      uint64
	// Held are the window bytes received and not taken.
	Held int64
	// Effects that Effects has not given out yet.
	Effects int
}

// Snapshot looks at the machine and changes nothing.
func (m *Machine) Snapshot() Snapshot {
	s := Snapshot{
		U: m.selection.u, Attachments: len(m.attachments.list), Conns: len(m.attachments.conns),
		LastConn: m.attachments.lastConn, Written: m.out.Written(), Acked: m.out.Acked(), Last: m.out.Last(),
		Received: m.in.Received(), Taken: m.in.Taken(), Held: m.in.Held(), Effects: len(m.effects),
	}
	if a := m.selection.current; a != nil {
		s.Att = a.att
	}
	for _, a := range m.attachments.list {
		requests := 0
		for _, c := range m.attachments.conns {
			if c.attachment == a {
				requests++
			}
		}
		s.Requests = max(s.Requests, requests)
		s.QueuedControls = max(s.QueuedControls, len(a.controls))
	}
	for _, t := range m.transports {
		if t.idle > 0 {
			s.Learned++
		}
		if t.age > 0 {
			s.Learned++
		}
	}
	return s
}
