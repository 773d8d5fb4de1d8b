package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// AppendControl appends a whole control line with its LF. It panics on a control that has no JSON,
// which is only an Open with err auth or meta: see [IsJSON].
func AppendControl(dst []byte, v Control) []byte {
	name, must := v.control()
	dst = appendName(dst, must, name)
	if name == nameMove {
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

// AppendGrease appends a control that nobody knows, and that is to be ignored (HF1-BAT-13): no peer
// shall come to rely on there being none. Letters are drawn at random.
func AppendGrease(dst []byte, letters [4]byte) []byte {
	dst = appendName(dst, false, "grease-")
	for _, c := range letters {
		dst = append(dst, 'a'+c%26)
	}
	return append(dst, '\n')
}

func appendName(dst []byte, must bool, name string) []byte {
	sign := byte('?')
	if must {
		sign = '!'
	}
	return append(append(dst, sign), name...)
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// IsJSON tells whether a value that an application gave as auth or meta may be sent: valid, and not
// nested deeper than the object of a control leaves room for (HF1-BAT-11).
func IsJSON(raw json.RawMessage) bool {
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
