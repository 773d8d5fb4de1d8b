package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

type attachmentState uint8

const (
	opening attachmentState = iota
	open
	gone
)

// attachment is one attachment as the client sees it.
type attachment struct {
	att       uint64
	transport *transportState
	state     attachmentState
	u         uint64 // the selection its open carried; 0: it stands by
	down      *conn  // what carries it: WebSocket, stream, hanging poll; nil between polls
	up        *conn  // its POST in flight, on HTTP
	challenge string
	pos       uint64 // on a WebSocket: the last up line written
	controls  []byte // to write

	poll     pollState
	posts    postState
	use      useState
	ping     pingState
	silence  silence
	stream   streamState
	standing standing

	born, openedAt time.Time
	drainUntil     time.Time // it is read no longer than that
	inFlight       logs.InFlight
}

type pollState struct {
	number    uint64    // polls sent
	notBefore time.Time // the next one waits until then
}

// postState is how the POSTs of an attachment fare.
type postState struct {
	pause     time.Duration // how long they wait after one that was refused (HF1-POL-09)
	notBefore time.Time     // and until when
	failures  int           // in a row
	misrouted int           // in a row: another server has answered
}

// useState is a use that is not confirmed.
type useState struct {
	againAt time.Time // it is sent again then
	by      time.Time // it should be confirmed by then; zero: there is none
}

type pingState struct {
	i     uint64 // in flight; 0: none is
	at    time.Time
	pongs int
}

// silence is when the attachment's own conn carried something. What is posted for a stream goes by
// another.
type silence struct {
	lastReceived time.Time
	lastSent     time.Time     // on a WebSocket
	longest      time.Duration // since lastReceived, that this side ended
	maxSurvived  time.Duration // the longest that the attachment lived through
}

type streamState struct {
	beaconsBy time.Time // both beacons should be here by then; zero: they are, or none are due
	beacons   uint64    // the last one read
}

// standing is what is held of an attachment.
type standing struct {
	validated bool // it has proved itself by survival
	penalized bool // its end was booked on its transport, or is not to be
	suspect   bool // it may be dead: another is opened beside it
	detached  bool // the server said so: no more data here
}

// conn is one conn of an attachment.
type conn struct {
	id         int
	kind       transport.Kind
	attachment *attachment
	born       time.Time
	by         time.Time // deadline, for POSTs
	first      bool      // its first batch is not written yet
	controls   []byte    // what its body carries: sent again if it fails
}

// queueControl queues a control for the attachment.
func (a *attachment) queueControl(v wire.Control) { a.controls = wire.AppendControl(a.controls, v) }

func (a *attachment) isSocket() bool { return a.transport.name == transport.WebSocket }

func (a *attachment) isStream() bool { return a.transport.name == transport.SSE }

func (a *attachment) isPoll() bool { return a.transport.name == transport.LongPoll }

// kind is the kind of its own conn.
func (a *attachment) kind() transport.Kind {
	switch a.transport.name {
	case transport.WebSocket:
		return transport.KindSocket
	case transport.SSE:
		return transport.KindStream
	default:
		return transport.KindOpen
	}
}

// lastByte is when a byte last went over the attachment's own conn, either way.
func (s *silence) lastByte() time.Time { return latest(s.lastSent, s.lastReceived) }

// noteSent books that a byte goes out, or that one is asked for, and the silence before it.
func (s *silence) noteSent(now time.Time) { s.longest = max(s.longest, now.Sub(s.lastByte())) }

// noteReceived books that a byte has come: the attachment lived through the silence before it.
func (s *silence) noteReceived(now time.Time) {
	s.noteSent(now)
	s.maxSurvived, s.longest, s.lastReceived = max(s.maxSurvived, s.longest), 0, now
}
