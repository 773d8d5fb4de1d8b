package wire

import "encoding/json"

// The names of the controls of holdfast/1.
const (
	nameOpen    = "open"
	nameOpened  = "opened"
	nameRefused = "refused"
	nameReply   = "reply"
	namePoll    = "poll"
	nameUp      = "up"
	nameUse     = "use"
	nameDetach  = "detach"
	nameRewind  = "rewind"
	namePing    = "ping"
	namePong    = "pong"
	nameClose   = "close"
	nameClosed  = "closed"
	nameTicket  = "ticket"
	nameBeacon  = "beacon"
	nameMove    = "move"
)

// Control is one of the controls of holdfast/1, the structs below, or a pointer to one.
type Control interface {
	// control tells the name and whether the peer must understand it ("!") or may ignore it ("?").
	control() (name string, must bool)
}

// One struct for each control, its fields in the order of the table in control_fields.go. A number
// that may be absent is absent as 0.

// Limits are the bounds that a side states, in bytes.
type Limits struct {
	MaxBatch   uint64 `json:"maxBatch,omitempty"`
	MaxMessage uint64 `json:"maxMessage,omitempty"` // of opened only
}

// Selection names the attachment that is selected, and by which u.
type Selection struct {
	U   uint64 `json:"u"`
	Att uint64 `json:"att"`
}

// Open opens an attachment. The client says it.
type Open struct {
	V    []uint64        `json:"v"`
	X    []string        `json:"x,omitempty"`
	Key  string          `json:"key"`
	Run  string          `json:"run,omitempty"`
	Att  uint64          `json:"att"`
	U    uint64          `json:"u,omitempty"`
	Recv uint64          `json:"recv"`
	Lim  Limits          `json:"lim"`
	Auth json.RawMessage `json:"auth,omitempty"`
	Meta json.RawMessage `json:"meta,omitempty"`
}

// Opened answers Open.
type Opened struct {
	V         uint64    `json:"v"`
	X         []string  `json:"x,omitempty"`
	ID        string    `json:"id"`
	Run       string    `json:"run"`
	Node      string    `json:"node"`
	Att       uint64    `json:"att"`
	Recv      uint64    `json:"recv"`
	Sel       Selection `json:"sel"`
	Lim       Limits    `json:"lim"`
	Win       uint64    `json:"win"`
	Ping      uint64    `json:"ping"`
	Hold      uint64    `json:"hold"`
	TTL       uint64    `json:"ttl"`
	Challenge string    `json:"challenge"`
}

// Refused refuses a request, for a reason of the table of refusals.
type Refused struct {
	Reason string   `json:"reason"`
	V      []uint64 `json:"v,omitempty"`
	Retry  uint64   `json:"retry,omitempty"`
}

// Reply is in every reply to a POST, and answers Use.
type Reply struct {
	Recv uint64    `json:"recv"`
	Sent uint64    `json:"sent"`
	Sel  Selection `json:"sel"`
}

// Poll is the address of a poll.
type Poll struct {
	Key  string `json:"key"`
	Run  string `json:"run"`
	Att  uint64 `json:"att"`
	P    uint64 `json:"p"`
	Recv uint64 `json:"recv"`
	Hold uint64 `json:"hold,omitempty"`
}

// Up is the address of a POST with the client's batch.
type Up struct {
	Key string `json:"key"`
	Run string `json:"run"`
	Att uint64 `json:"att"`
}

// Use selects an attachment.
type Use struct {
	U         uint64 `json:"u"`
	Att       uint64 `json:"att"`
	Challenge string `json:"challenge"`
	Recv      uint64 `json:"recv"`
}

// Detach says that an attachment carries no more data, or is gone.
type Detach struct {
	Code uint64 `json:"code"`
	Gone bool   `json:"gone,omitempty"`
}

// Rewind asks for the lines after a position once more.
type Rewind struct {
	Recv uint64 `json:"recv"`
}

// Ping asks for a sign of life.
type Ping struct {
	I uint64 `json:"i"`
}

// Pong answers a ping with its number.
type Pong Ping

// Close is the last line of a log.
type Close struct {
	Code   uint64 `json:"code"`
	Reason string `json:"reason"`
}

// Closed is the final word on a session.
type Closed struct {
	Code   uint64 `json:"code"`
	Reason string `json:"reason"`
	Recv   uint64 `json:"recv"`
	Ack    uint64 `json:"ack"`
}

// Ticket asks for a ticket (att, u, recv) or answers with one (ticket, ttl).
type Ticket struct {
	Att    uint64
	U      uint64
	Recv   uint64
	Ticket string
	TTL    uint64
}

// MarshalJSON writes the form that the ticket is: a recv of 0 must be there when asking, and not
// when answering.
func (c Ticket) MarshalJSON() ([]byte, error) {
	if c.Ticket != "" {
		return json.Marshal(struct {
			Ticket string `json:"ticket"`
			TTL    uint64 `json:"ttl"`
		}{c.Ticket, c.TTL})
	}
	return json.Marshal(struct {
		Att  uint64 `json:"att"`
		U    uint64 `json:"u,omitempty"`
		Recv uint64 `json:"recv"`
	}{c.Att, c.U, c.Recv})
}

// Beacon shows that a stream is not held back.
type Beacon struct {
	I uint64 `json:"i"`
}

// Move asks the client to attach anew. It has no JSON.
type Move struct{}

func (Open) control() (string, bool)    { return nameOpen, true }
func (Opened) control() (string, bool)  { return nameOpened, true }
func (Refused) control() (string, bool) { return nameRefused, true }
func (Reply) control() (string, bool)   { return nameReply, true }
func (Poll) control() (string, bool)    { return namePoll, true }
func (Up) control() (string, bool)      { return nameUp, true }
func (Use) control() (string, bool)     { return nameUse, true }
func (Detach) control() (string, bool)  { return nameDetach, true }
func (Rewind) control() (string, bool)  { return nameRewind, true }
func (Ping) control() (string, bool)    { return namePing, true }
func (Pong) control() (string, bool)    { return namePong, true }
func (Close) control() (string, bool)   { return nameClose, true }
func (Closed) control() (string, bool)  { return nameClosed, true }
func (Ticket) control() (string, bool)  { return nameTicket, true }
func (Beacon) control() (string, bool)  { return nameBeacon, false }
func (Move) control() (string, bool)    { return nameMove, false }
