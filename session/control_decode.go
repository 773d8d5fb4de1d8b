package session

import (
	"errors"

	"github.com/holdfast-rt/holdfast/transport"
)

// pongControl answers a ping with its number.
type pongControl pingControl

// moveControl asks the client to attach anew.
type moveControl struct{}

// decodeControls decodes the controls of a batch that was parsed, in order, !close left out: that is a line of the log.
func decodeControls(p *packet) (ctl []any, err error) {
	for _, l := range p.lines {
		if l.kind != lineControl {
			continue
		}
		v := newControl(l.name)
		if v == nil {
			continue
		}
		if err := decodeControl(l, v); err != nil {
			return nil, err
		}
		ctl = append(ctl, v)
	}
	return ctl, nil
}

func newControl(name string) any {
	switch name {
	case nameOpen:
		return new(openControl)
	case nameOpened:
		return new(openedControl)
	case nameRefused:
		return new(refusedControl)
	case nameReply:
		return new(replyControl)
	case namePoll:
		return new(pollControl)
	case nameUp:
		return new(upControl)
	case nameUse:
		return new(useControl)
	case nameDetach:
		return new(detachControl)
	case nameRewind:
		return new(rewindControl)
	case namePing:
		return new(pingControl)
	case namePong:
		return new(pongControl)
	case nameClosed:
		return new(closedControl)
	case nameTicket:
		return new(ticketControl)
	case nameBeacon:
		return new(beaconControl)
	case nameMove:
		return new(moveControl)
	}
	return nil // !close, or one that is ignored
}

// codeOf is the close code of a broken rule.
func codeOf(err error) transport.Code {
	var p *ProtocolError
	if errors.As(err, &p) {
		return p.Code
	}
	return transport.CodeFault
}
