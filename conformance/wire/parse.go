package wire

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a text batch, strictly: it refuses a BOM and a CR before LF, which receivers tolerate
// but senders must not send.
func Parse(b []byte) (*Batch, error) {
	if !utf8.Valid(b) {
		return nil, parseError("HF1-BAT-06", "the batch is not UTF-8: %.60q", b)
	}
	if len(b) == 0 || b[len(b)-1] != '\n' {
		return nil, parseError("HF1-BAT-01", "the batch does not end with LF: %.60q", b)
	}
	if bytes.IndexByte(b, '\r') >= 0 {
		return nil, parseError("HF1-BAT-06", "a CR in a batch: %.60q", b)
	}
	lines := strings.Split(string(b[:len(b)-1]), "\n")
	out := &Batch{Size: len(b)}
	more, err := parseHead(out, lines[0], false)
	if err != nil || more {
		return nil, err
	}
	for _, s := range lines[1:] {
		l, err := ParseLine(s)
		if err != nil {
			return nil, err
		}
		out.Lines = append(out.Lines, l)
	}
	return out, checkOrder(out)
}

// ParseFrame reads the binary form: a head, and the raw bytes of one binary line.
func ParseFrame(b []byte) (*Batch, error) {
	head, data, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, parseError("HF1-BAT-14", "a binary frame without a head line: %.60q", b)
	}
	out := &Batch{Size: len(b)}
	more, err := parseHead(out, string(head), true)
	if err != nil {
		return nil, err
	}
	out.Lines = []Line{{Kind: Binary, More: more, Data: data}}
	if n := lineSize(out.Lines[0]); n > MaxLine {
		return nil, parseError("HF1-BAT-08", "a binary frame whose line is %d bytes in text form", n)
	}
	return out, checkOrder(out)
}

// lineSize is how long a binary line is in text form.
func lineSize(l Line) int {
	n := 2 + base64.StdEncoding.EncodedLen(len(l.Data))
	if l.More {
		n++
	}
	return n
}

func parseHead(out *Batch, s string, binary bool) (more bool, err error) {
	rest, ok := strings.CutPrefix(s, "@")
	fields := strings.Split(rest, " ")
	if binary && len(fields) > 2 && fields[len(fields)-1] == "+" {
		fields, more = fields[:len(fields)-1], true
	}
	if !ok || len(fields) < 2 || len(fields) > 3 {
		return false, parseError("HF1-BAT-01", "not a head: %.60q", s)
	}
	if out.First, err = ParseNumber(fields[0]); err != nil {
		return false, err
	}
	if out.Ack, err = ParseNumber(fields[1]); err != nil {
		return false, err
	}
	if out.First == 0 {
		return false, parseError("HF1-BAT-04", "the head's first is 0")
	}
	if len(fields) == 3 {
		if !IsName(fields[2], 1, 64) {
			return false, parseError("HF1-BAT-12", "not a mark: %.80q", fields[2])
		}
		out.Mark = fields[2]
	}
	return more, nil
}

// ParseNumber reads a number of a head.
func ParseNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s || n > MaxNumber {
		return 0, parseError("HF1-BAT-04", "not a number: %.40q", s)
	}
	return n, nil
}

// IsName reports whether s has low to high characters, all of A-Z a-z 0-9 - _.
func IsName(s string, low, high int) bool {
	if len(s) < low || len(s) > high {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// ParseLine reads one line, without its LF.
func ParseLine(s string) (l Line, err error) {
	body, more := s, false
	if strings.HasPrefix(s, "+") {
		body, more = s[1:], true
	}
	switch {
	case body == "":
		return l, parseError("HF1-BAT-01", "an empty line")
	case body[0] == 't' || body[0] == 'b':
		if len(s)+1 > MaxLine {
			return l, parseError("HF1-BAT-08", "a log line of %d bytes", len(s)+1)
		}
		l = Line{Kind: Kind(body[0]), More: more}
		if l.Kind == Text {
			l.Data, err = unescape(body[1:])
		} else {
			l.Data, err = unbase64(body[1:])
		}
		return l, err
	case !more && (body[0] == '!' || body[0] == '?'):
		return parseControl(s)
	}
	return l, parseError("HF1-BAT-01", "not a line: %.60q", s)
}

func unescape(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\r':
			return nil, parseError("HF1-BAT-02", "a CR that is not escaped")
		case c != '\\':
			out = append(out, c)
			continue
		case i+1 == len(s):
			return nil, parseError("HF1-BAT-02", "a lone backslash at the end")
		}
		i++
		at := strings.IndexByte(`\nr`, s[i])
		if at < 0 {
			return nil, parseError("HF1-BAT-02", "the escape %q", s[i-1:i+1])
		}
		out = append(out, "\\\n\r"[at])
	}
	return out, nil
}

func unbase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n \t") {
		return nil, parseError("HF1-BAT-03", "white space in base64")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, parseError("HF1-BAT-03", "not padded standard base64: %.60q", s)
	}
	return b, nil
}

// checkOrder checks rules about several lines: a piece is followed by a line of its type
// (HF1-BAT-09), and nothing follows a !close (HF1-CLO-01).
func checkOrder(b *Batch) error {
	if b.First+uint64(b.Logs()) > MaxNumber {
		return parseError("HF1-BAT-04", "numbers above 2^53-1")
	}
	var before *Line
	for i := range b.Lines {
		l := &b.Lines[i]
		if !l.Log() {
			continue
		}
		if before != nil && before.More && before.Kind != l.Kind {
			return parseError("HF1-BAT-09", "a piece is followed by %s", l)
		}
		if before != nil && before.Kind == Control {
			return parseError("HF1-CLO-01", "a log line after !close: %s", l)
		}
		before = l
	}
	return nil
}
