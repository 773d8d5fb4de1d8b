package session

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

// One struct for each control, its fields in the order of the table in control_fields.go. A number that may be absent is
// absent as 0.

type limControl struct {
	MaxBatch   uint64 `json:"maxBatch,omitempty"`
	MaxMessage uint64 `json:"maxMessage,omitempty"` // of opened only
}

type selControl struct {
	U   uint64 `json:"u"`
	Att uint64 `json:"att"`
}

type openControl struct {
	V    []uint64        `json:"v"`
	X    []string        `json:"x,omitempty"`
	Key  string          `json:"key"`
	Run  string          `json:"run,omitempty"`
	Att  uint64          `json:"att"`
	U    uint64          `json:"u,omitempty"`
	Recv uint64          `json:"recv"`
	Lim  limControl      `json:"lim"`
	Auth json.RawMessage `json:"auth,omitempty"`
	Meta json.RawMessage `json:"meta,omitempty"`
}

type openedControl struct {
	V         uint64     `json:"v"`
	X         []string   `json:"x,omitempty"`
	ID        string     `json:"id"`
	Run       string     `json:"run"`
	Node      string     `json:"node"`
	Att       uint64     `json:"att"`
	Recv      uint64     `json:"recv"`
	Sel       selControl `json:"sel"`
	Lim       limControl `json:"lim"`
	Win       uint64     `json:"win"`
	Ping      uint64     `json:"ping"`
	Hold      uint64     `json:"hold"`
	TTL       uint64     `json:"ttl"`
	Challenge string     `json:"challenge"`
}

type refusedControl struct {
	Reason string   `json:"reason"`
	V      []uint64 `json:"v,omitempty"`
	Retry  uint64   `json:"retry,omitempty"`
}

type replyControl struct {
	Recv uint64     `json:"recv"`
	Sent uint64     `json:"sent"`
	Sel  selControl `json:"sel"`
}

type pollControl struct {
	Key  string `json:"key"`
	Run  string `json:"run"`
	Att  uint64 `json:"att"`
	P    uint64 `json:"p"`
	Recv uint64 `json:"recv"`
	Hold uint64 `json:"hold,omitempty"`
}

type upControl struct {
	Key string `json:"key"`
	Run string `json:"run"`
	Att uint64 `json:"att"`
}

type useControl struct {
	U         uint64 `json:"u"`
	Att       uint64 `json:"att"`
	Challenge string `json:"challenge"`
	Recv      uint64 `json:"recv"`
}

type detachControl struct {
	Code uint64 `json:"code"`
	Gone bool   `json:"gone,omitempty"`
}

type rewindControl struct {
	Recv uint64 `json:"recv"`
}

// pingControl is also pong's.
type pingControl struct {
	I uint64 `json:"i"`
}

type closeControl struct {
	Code   uint64 `json:"code"`
	Reason string `json:"reason"`
}

type closedControl struct {
	Code   uint64 `json:"code"`
	Reason string `json:"reason"`
	Recv   uint64 `json:"recv"`
	Ack    uint64 `json:"ack"`
}

// ticketControl asks for a ticket (att, u, recv) or answers with one (ticket, ttl).
type ticketControl struct {
	Att    uint64
	U      uint64
	Recv   uint64
	Ticket string
	TTL    uint64
}

// MarshalJSON writes the form that the ticket is: a recv of 0 must be there when asking, and not when answering.
func (c ticketControl) MarshalJSON() ([]byte, error) {
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

type beaconControl struct {
	I uint64 `json:"i"`
}
