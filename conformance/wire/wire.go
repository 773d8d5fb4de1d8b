// Package wire is the suite's own codec for docs/protocol.md. It parses strictly what a peer sends,
// and names the requirement that a fault breaks. What the suite itself sends is built from plain
// strings, so that it can be wrong.
package wire

import (
	"encoding/json"
	"fmt"
)

// MaxNumber is the largest number there is (HF1-BAT-04).
const MaxNumber = 1<<53 - 1

// MaxLine is the longest log line that a peer may send, LF counted (HF1-BAT-08).
const MaxLine = 1536

// Kind says what a line is.
type Kind byte

// The kinds of lines.
const (
	Text    Kind = 't'
	Binary  Kind = 'b'
	Control Kind = 'c'
)

// Line is one line of a batch.
type Line struct {
	Kind Kind
	More bool            // a piece: the message goes on with the next log line
	Data []byte          // the payload of a text or binary line, decoded
	Sign byte            // of a control: ! or ?
	Name string          // of a control
	JSON json.RawMessage // of a control, nil if it has none
}

// Log reports whether the line has a number of its own.
func (l Line) Log() bool { return l.Kind != Control || l.Is("!close") }

// Is reports whether the line is that control, named with its sign.
func (l Line) Is(name string) bool {
	return l.Kind == Control && len(name) > 0 && l.Sign == name[0] && l.Name == name[1:]
}

// Fields are the fields of a control's JSON, empty if there are none.
func (l Line) Fields() map[string]any {
	fields := map[string]any{}
	_ = json.Unmarshal(l.JSON, &fields) // it was checked when the line was parsed
	return fields
}

// Number is a numeric field of a control, 0 if it is not there.
func (l Line) Number(field string) uint64 {
	n, _ := l.Fields()[field].(float64)
	return uint64(n)
}

// Text is a string field of a control, "" if it is not there.
func (l Line) Text(field string) string {
	s, _ := l.Fields()[field].(string)
	return s
}

// Selection is the sel field of an opened or a reply.
func (l Line) Selection() (u, att uint64) {
	var f struct {
		Sel struct{ U, Att uint64 }
	}
	_ = json.Unmarshal(l.JSON, &f)
	return f.Sel.U, f.Sel.Att
}

// String shows the line for people.
func (l Line) String() string {
	more := ""
	if l.More {
		more = "+"
	}
	switch l.Kind {
	case Text, Binary:
		s := fmt.Sprintf("%s%c%q", more, l.Kind, l.Data)
		if len(s) > 100 {
			s = fmt.Sprintf("%s… (%d bytes)", s[:80], len(l.Data))
		}
		return s
	default:
		return fmt.Sprintf("%c%s %s", l.Sign, l.Name, l.JSON)
	}
}

// Batch is a parsed batch.
type Batch struct {
	First, Ack uint64
	Mark       string
	Lines      []Line
	Size       int // bytes, as maxBatch counts them (HF1-BAT-05)
}

// Logs counts the log lines.
func (b *Batch) Logs() int {
	n := 0
	for _, l := range b.Lines {
		if l.Log() {
			n++
		}
	}
	return n
}

// Find returns the first control of that name, with its sign, nil if there is none.
func (b *Batch) Find(name string) *Line {
	for i := range b.Lines {
		if b.Lines[i].Is(name) {
			return &b.Lines[i]
		}
	}
	return nil
}

// String shows the batch for people.
func (b *Batch) String() string {
	s := fmt.Sprintf("@%d %d", b.First, b.Ack)
	for i, l := range b.Lines {
		if i == 8 {
			return fmt.Sprintf("%s ⏎ … %d lines more", s, len(b.Lines)-i)
		}
		s += " ⏎ " + l.String()
	}
	return s
}

// Error is a fault in what a peer sent, and the requirement that it breaks.
type Error struct {
	Requirement string
	Text        string
}

func (e *Error) Error() string { return e.Requirement + ": " + e.Text }

func parseError(requirement, format string, args ...any) error {
	return &Error{Requirement: requirement, Text: fmt.Sprintf(format, args...)}
}
