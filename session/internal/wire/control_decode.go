package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// DecodeControls decodes the controls of a batch that was parsed, in order, !close left out: that
// is a line of the log.
func DecodeControls(p *Packet) (ctl []Control, err error) {
	for _, l := range p.Lines {
		if l.Kind != ControlLine {
			continue
		}
		v := newControl(l.Name)
		if v == nil {
			continue
		}
		if err := DecodeControl(l, v); err != nil {
			return nil, err
		}
		ctl = append(ctl, v)
	}
	return ctl, nil
}

func newControl(name string) Control {
	switch name {
	case nameOpen:
		return new(Open)
	case nameOpened:
		return new(Opened)
	case nameRefused:
		return new(Refused)
	case nameReply:
		return new(Reply)
	case namePoll:
		return new(Poll)
	case nameUp:
		return new(Up)
	case nameUse:
		return new(Use)
	case nameDetach:
		return new(Detach)
	case nameRewind:
		return new(Rewind)
	case namePing:
		return new(Ping)
	case namePong:
		return new(Pong)
	case nameClosed:
		return new(Closed)
	case nameTicket:
		return new(Ticket)
	case nameBeacon:
		return new(Beacon)
	case nameMove:
		return new(Move)
	}
	return nil // !close, or one that is ignored
}

// Find returns the first control of type T, its zero value if there is none.
func Find[T Control](ctl []Control) (zero T) {
	for _, v := range ctl {
		if t, ok := v.(T); ok {
			return t
		}
	}
	return zero
}

// DecodeControl reads the JSON of a control into v, a pointer to its struct that has its zero
// value. For a line of a parsed batch it does not fail; for any other the errors are
// *ProtocolError, as those of parse.
func DecodeControl(l Line, v Control) error {
	name := []byte(l.Name)
	c := controlOf(l.Must, name)
	if c == nil {
		return errUnknown.err()
	}
	body := l.Body
	if body == nil {
		body = []byte("{}")
	}
	dst := reflect.ValueOf(v).Elem()
	err := scanObject(body, c.fields, func(i int, value []byte) {
		setField(dst.Field(i), &c.fields[i], value)
	})
	if err != nil {
		return err.err()
	}
	return nil
}

// setField stores a value that has been checked. It copies: what is decoded outlives the batch.
func setField(dst reflect.Value, f *field, value []byte) {
	switch f.typ {
	case typeNumber:
		n, _ := parseNumber(value)
		dst.SetUint(n)
	case typeText:
		dst.SetString(string(unquoted(value)))
	case typeBool:
		dst.SetBool(value[0] == 't')
	case typeObject:
		_ = scanObject(value, f.fields, func(i int, value []byte) { setField(dst.Field(i), &f.fields[i], value) })
	case typeNumbers, typeTexts:
		_ = json.Unmarshal(value, dst.Addr().Interface()) // elements have no names, so encoding/json is exact here
	case typeAny:
		dst.SetBytes(bytes.Clone(value))
	}
}

// StatedPosition is the position that a control states, 0 if it states none.
func StatedPosition(v Control) uint64 {
	switch v := v.(type) {
	case *Open:
		return v.Recv
	case *Opened:
		return v.Recv
	case *Reply:
		return v.Recv
	case *Poll:
		return v.Recv
	case *Use:
		return v.Recv
	case *Rewind:
		return v.Recv
	case *Ticket:
		return v.Recv
	}
	return 0
}
