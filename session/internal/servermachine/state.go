package servermachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/transport"
)

// Machine is one session at the server. Init makes it ready.
type Machine struct {
	cfg *Config
	who Identity
	run string

	out         logs.SendLog
	in          logs.ReceiveLog
	selection   selection
	attachments attachments
	liveness    liveness
	closing     closing
	ack         machine.AckTimer
	rewindAt    time.Time // a rewind was asked for
	faults      machine.FaultRecord[transport.Kind]
	limits      [3]logs.BatchLimit // by transport
	deadline    machine.Deadline
	effects     effects
}

// selection is which attachment carries the down lines (section 7 of docs/protocol.md).
type selection struct {
	u       uint64      // the highest seen
	current *attachment // nil: it has gone
	att     uint64      // of the attachment selected last, also when it has gone
}

// attachments are those that live, and the numbers that were seen.
type attachments struct {
	list []*attachment
	top  uint64 // highest att seen
	seen uint64 // bit i: att top-i was seen
}

// liveness is what tells whether the client still lives.
type liveness struct {
	created      time.Time
	lastReceived time.Time
	lastLog      time.Time // a log line came or went
	confirmed    bool      // the client has shown that it knows the run (HF1-WHO-10)
	progress     uint32    // rises when a message is acknowledged, completed or taken
	pings        uint64
}

// closing is how a session ends.
type closing struct {
	by        time.Time       // this side's close gives up waiting
	own       *machine.Ending // what this side's !close said
	over      *machine.Ending // nil: it has not ended
	neverKnew bool            // it ended before its client knew of it: no tombstone
	expiresAt time.Time       // the identity of its owner expires; zero: never
}

// Conn is the machine's part of one conn: a WebSocket, an event stream or a POST. Whoever runs the
// machine keeps it inside its own part, so that a conn costs one allocation.
type Conn struct {
	kind       transport.Kind
	waker      Waker
	attachment *attachment
	controls   []byte // of its answer, beside what the attachment says
	poll       uint64 // a poll's number
	pos        uint64 // a poll's position when it was completed

	ready     bool           // a POST: its answer may be written
	empty     bool           // the answer has no lines
	ending    bool           // it ends after what it still has to say
	gone      bool           // nothing more is read or written
	tickets   uint8          // tickets that its answer waits for
	closeCode transport.Code // why it ends; 0: no longer wanted
}

// attachment is one attachment as the server sees it.
type attachment struct {
	att       uint64
	kind      transport.Kind // socket, stream, or open for long polls
	challenge string
	maxBatch  int // the client's
	pos       uint64
	controls  []byte
	conn      *Conn // WebSocket or stream
	polls     pollState
	ping      pingState
	stream    streamState

	lastReceived, lastSent time.Time
	standbySince           time.Time // zero: it is selected
	inFlight               logs.InFlight
}

// pollState is what an attachment of long polls keeps.
type pollState struct {
	hanging []*Conn // copies of the same poll
	number  uint64
	until   time.Time
}

// pingState is the last ping of an attachment.
type pingState struct {
	i          uint64
	at         time.Time // zero: it was answered
	unanswered int
}

// streamState is what an event stream keeps.
type streamState struct {
	beacon   uint64 // the next one; 0: none
	beaconAt time.Time
	carried  int64 // bytes of batches with log lines
}

func (m *Machine) due(now, at time.Time) bool { return m.deadline.Due(now, at) }

// limit is the batch size of an attachment's transport (HF1-ATT-07).
func (m *Machine) limit(a *attachment) *logs.BatchLimit {
	switch a.kind {
	case transport.KindSocket:
		return &m.limits[0]
	case transport.KindStream:
		return &m.limits[1]
	default:
		return &m.limits[2]
	}
}

// wake has a conn woken, since it has something to write.
func (m *Machine) wake(c *Conn) {
	if c.waker != nil {
		m.effects.wakers = append(m.effects.wakers, c.waker)
	}
}

// observe books a fact of a transport, if anybody reads it.
func (m *Machine) observe(kind transport.Kind, o Observation) {
	if m.cfg.Observed {
		o.Transport = machine.TransportOf(kind)
		r := m.effects.orRare()
		r.observations = append(r.observations, o)
	}
}
