package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"
)

const (
	maxControl = 8 << 10 // bytes of a control line, sign and LF counted (HF1-BAT-11)
	maxName    = 32
)

// parseControlLine reads a control line without its LF, sign first. The JSON of a known control is checked field by field
// here, so that a batch with a wrong control is discarded before any of it is applied (HF1-BAT-01).
func parseControlLine(l *line, raw []byte) *breach {
	if len(raw)+1 > maxControl {
		return errControl
	}
	l.must = raw[0] == '!'
	name, body, hasBody := bytes.Cut(raw[1:], space)
	if !isName(name) {
		return errName
	}
	var fields []field
	if c := controlOf(l.must, name); c != nil {
		l.name, fields = c.name, c.fields
	} else if l.must {
		return errUnknown // HF1-BAT-10
	}
	if !hasBody {
		if !complete(fields, 0) {
			return errMissing
		}
		return nil
	}
	l.body = body
	return scanObject(body, fields, nil)
}

func isName(b []byte) bool {
	if len(b) == 0 || len(b) > maxName || !isLower(b[0]) {
		return false
	}
	for _, c := range b {
		if !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

// appendControl appends a whole control line with its LF; v nil is a control without JSON. It panics on a v that has no
// JSON, which among the controls only an open with broken auth or meta is: see [isJSON].
func appendControl(dst []byte, must bool, name string, v any) []byte {
	sign := byte('?')
	if must {
		sign = '!'
	}
	dst = append(append(dst, sign), name...)
	if v == nil {
		return append(dst, '\n')
	}
	w := appender(append(dst, ' '))
	enc := json.NewEncoder(&w) // ends what it writes with the line's LF, and compacts auth and meta
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("session: control %s: %v", name, err))
	}
	return w
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// isJSON tells whether a value that an application gave as auth or meta may be sent: valid, and not nested deeper than
// the object of a control leaves room for (HF1-BAT-11).
func isJSON(raw json.RawMessage) bool {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return false
	}
	var flat bytes.Buffer
	if json.Compact(&flat, raw) != nil {
		return false
	}
	s := scanner{data: flat.Bytes(), depth: 1}
	return s.value() == nil
}

// decodeControl reads the JSON of a control into v, a pointer to its struct that has its zero value. For a line of a parsed
// batch it does not fail; for any other the errors are *ProtocolError, as those of parse.
func decodeControl(l line, v any) error {
	name := []byte(l.name)
	c := controlOf(l.must, name)
	if c == nil {
		return errUnknown.err()
	}
	body := l.body
	if body == nil {
		body = []byte("{}")
	}
	dst := reflect.ValueOf(v).Elem()
	broken := scanObject(body, c.fields, func(i int, value []byte) {
		setField(dst.Field(i), &c.fields[i], value)
	})
	if broken != nil {
		return broken.err()
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
