package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// Machine is one session at the client.
type Machine struct {
	cfg    Config
	server serverInfo
	out    logs.SendLog
	in     logs.ReceiveLog

	transports  []*transportState // best first
	attachments attachments
	selection   selection
	race        race
	liveness    liveness
	learning    learning
	wake        wakeState
	auth        authState
	refusals    refusals
	closing     closing

	faults   machine.FaultRecord[*transportState]
	ack      machine.AckTimer
	rewindAt time.Time // a rewind was asked for
	deadline machine.Deadline
	again    bool // a rule has changed what others have judged
	effects  []Effect
}

// serverInfo is what the server said in the last opened. Before that, the defaults.
type serverInfo struct {
	run, id    string
	window     int64
	maxBatch   int
	maxMessage int // the largest message the server takes
	ping, hold time.Duration
}

// attachments are those that live, their conns, and the numbers that were used.
type attachments struct {
	list              []*attachment
	conns             []*conn
	lastAtt           uint64
	lastConn          int
	lastPing          uint64
	confirmedPosition uint64 // highest position in the up log that the server has stated
}

// selection is which attachment carries the lines (section 7 of docs/protocol.md).
type selection struct {
	u         uint64      // highest number used
	confirmed uint64      // highest number that the server has confirmed
	current   *attachment // what this side has selected
}

// race is the state of connecting: which transports were tried, and when the next may start
// (HF1-LIV-10, HF1-LIV-12).
type race struct {
	at        time.Time // the next attempt starts then; zero: none is planned
	tried     map[*transportState]bool
	tries     int       // whole races lost in a row
	notBefore time.Time // a server said so
}

// liveness is what tells whether the network still carries.
type liveness struct {
	rtt time.Duration // smoothed; 0: unknown
	// guessedTimeout is the least response timeout until the round trip, which is a guess, is
	// measured anew; 0: it was measured.
	guessedTimeout time.Duration
	lastLog        time.Time // a log line came or went
	activeSince    time.Time // the first one after a time without
	progress       time.Time // the ack moved or a pong came, or lines went out when none were outstanding
	sentDown       uint64    // highest down line that the server says it has sent
	sentDownAt     time.Time // when it said so first, or a line came since
}

// learning is what the client knows of the network beside its transports (HF1-LIV-19).
type learning struct {
	best           *transportState // the last that was in use and validated: it is tried first
	since          time.Time       // what is known began to be learned then
	remembered     []entry         // what was given out last, when, and the best then
	rememberedBest *transportState
	rememberedAt   time.Time
}

// wakeState is what the platform says of the process and of the network.
type wakeState struct {
	at      time.Time // the client woke
	offline bool      // there is no network
}

// authState is how far the credentials are.
type authState struct {
	waiting bool
	retried bool      // fresh ones were asked for, and have not aged: to refuse those too is the end
	givenAt time.Time // fresh ones were given
	askAt   time.Time // the application had none, and is asked again
}

// refusals are what earlier refusals mean for later ones.
type refusals struct {
	unknownAt      time.Time // the first as unknown
	originRejected bool      // a WebSocket was refused for its Origin
}

// closing is how a session ends.
type closing struct {
	by       time.Time       // a close gives up waiting
	own      *machine.Ending // what this side's !close said
	peer     *wire.Close     // the peer's, taken
	ackAgain time.Time       // the ack of the peer's close is sent again
	over     *machine.Ending
}

func (m *Machine) due(now, at time.Time) bool { return m.deadline.Due(now, at) }

// emit adds to what is to be done.
func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

// trace tells whoever watches of a step.
func (m *Machine) trace(step Step, a *attachment, reason string) {
	m.emit(Effect{Kind: Traced, Trace: Trace{step, a.transport.name, a.att, reason}})
}

// healthy is the attachment in use, unless it may be dead; nil: there is none.
func (m *Machine) healthy() *attachment {
	if a := m.selection.current; a == nil || !a.standing.suspect {
		return a
	}
	return nil
}
