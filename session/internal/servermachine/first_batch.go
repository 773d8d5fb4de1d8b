package servermachine

import (
	"crypto/subtle"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Request is the first batch of a conn, parsed: it says which session it is for (HF1-HTTP-09).
type Request struct {
	packet *wire.Packet
	ctl    []wire.Control
	open   *wire.Open // one of open, poll, up
	poll   *wire.Poll
	up     *wire.Up
}

// ParseRequest reads the first batch of a conn into p, which the request refers to from then on.
func ParseRequest(kind transport.Kind, b transport.Batch, p *wire.Packet, limit int) (r Request, err error) {
	if err := p.Parse(b, limit); err != nil {
		return r, err
	}
	if r.ctl, err = wire.DecodeControls(p); err != nil {
		return r, err
	}
	r.packet = p
	if len(r.ctl) == 0 || len(p.Lines) == 0 || p.Lines[0].Kind != wire.ControlLine {
		return r, errAddress
	}
	switch v := r.ctl[0].(type) {
	case *wire.Open:
		if kind != transport.KindPoll && kind != transport.KindUp {
			r.open = v
			return r, nil
		}
	case *wire.Poll:
		if kind == transport.KindPoll {
			r.poll = v
			return r, nil
		}
	case *wire.Up:
		if kind == transport.KindUp {
			r.up = v
			return r, nil
		}
	}
	return r, errAddress
}

var errAddress = &wire.ProtocolError{
	Code: transport.CodeMalformed, Detail: "first line is not what the kind demands (HF1-HTTP-09)",
}

// Frame is a later batch of a WebSocket, parsed, or the rule that it breaks.
type Frame struct {
	packet *wire.Packet
	ctl    []wire.Control
	err    error
}

// ParseFrame reads a batch into p, which the frame refers to from then on. It needs no lock.
func ParseFrame(b transport.Batch, p *wire.Packet, limit int) Frame {
	if err := p.Parse(b, limit); err != nil {
		return Frame{err: err}
	}
	ctl, err := wire.DecodeControls(p)
	return Frame{p, ctl, err}
}

// Open is the request's open, nil if it is a poll or an up.
func (r *Request) Open() *wire.Open { return r.open }

// Key is the secret of the session it is for, Run the run that the client knows, "" if none.
func (r *Request) Key() string {
	key, _, _ := r.address()
	return key
}

// Run is the run that the client knows, "" if none.
func (r *Request) Run() string {
	_, run, _ := r.address()
	return run
}

func (r *Request) address() (key, run string, att uint64) {
	switch {
	case r.open != nil:
		return r.open.Key, r.open.Run, r.open.Att
	case r.poll != nil:
		return r.poll.Key, r.poll.Run, r.poll.Att
	}
	return r.up.Key, r.up.Run, r.up.Att
}

// IsFor tells whether a request of principal belongs to a session, or a tombstone, of this run and
// owner. An open may not know the run yet (HF1-WHO-04), and only an open was authenticated. A run
// is compared like a secret (HF1-WHO-12): only its client was told it.
func (r *Request) IsFor(run, owner, principal string) bool {
	if r.open != nil && principal != owner {
		return false
	}
	known := r.Run()
	return r.open != nil && known == "" || subtle.ConstantTimeCompare([]byte(known), []byte(run)) == 1
}

// CheckNew checks the batch that would make a session: nothing of one that breaks a rule acts
// (HF1-BAT-01), so it makes none. A message that is too large is left to the session, which it ends
// (HF1-NUM-10).
func (r *Request) CheckNew(maxMessage int) error {
	if r.packet.Ack > 0 || r.open.Recv > 0 { // nothing was ever sent to it (HF1-NUM-09)
		return &wire.ProtocolError{Code: transport.CodePosition, Detail: "a position in a session that is not there"}
	}
	if err := checkPlaces(r.ctl, true); err != nil {
		return err
	}
	if err := new(logs.ReceiveLog).Check(r.packet, maxMessage); wire.CodeOf(err) == transport.CodeMalformed {
		return err
	}
	return nil
}

// checkPlaces finds a control where the table of controls does not put it (HF1-ERR-05). first: the
// batch begins with an address.
func checkPlaces(ctl []wire.Control, first bool) error {
	alone := false
	for i, v := range ctl {
		if i == 0 && first {
			_, alone = v.(*wire.Open)
			continue
		}
		switch v := v.(type) {
		case *wire.Use, *wire.Ping, *wire.Pong, *wire.Rewind, *wire.Detach:
			if !alone {
				continue
			}
		case *wire.Ticket:
			if !alone && v.Ticket == "" {
				continue
			}
		}
		return &wire.ProtocolError{Code: transport.CodeMalformed, Detail: "a control out of place (HF1-ERR-05)"}
	}
	return nil
}
