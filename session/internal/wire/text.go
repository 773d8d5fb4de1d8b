package wire

import (
	"bytes"
	"iter"
	"unicode/utf8"
)

// IsText tells whether a payload may be sent as text: well-formed Unicode only (HF1-BAT-07).
func IsText(payload []byte) bool { return utf8.Valid(payload) }

// AppendText appends a whole text line with its LF. The payload is text as [IsText] tells.
func AppendText(dst, payload []byte, more bool) []byte {
	if more {
		dst = append(dst, '+')
	}
	dst = append(dst, 't')
	dst = appendEscaped(dst, payload)
	return append(dst, '\n')
}

// appendEscaped escapes backslash, LF and CR, and nothing else (HF1-BAT-02).
func appendEscaped(dst, payload []byte) []byte {
	plain := 0
	for i, c := range payload {
		var letter byte
		switch c {
		case '\\':
			letter = '\\'
		case '\n':
			letter = 'n'
		case '\r':
			letter = 'r'
		default:
			continue
		}
		dst = append(dst, payload[plain:i]...)
		dst = append(dst, '\\', letter)
		plain = i + 1
	}
	return append(dst, payload[plain:]...)
}

// parseTextLine sets the body of a text line from what follows its type letter.
func (p *Packet) parseTextLine(l *Line, raw []byte, rest int) *parseError {
	if bytes.IndexByte(raw, '\\') < 0 {
		l.Body = raw
		return nil
	}
	body, ok := appendUnescaped(p.room(len(raw), rest), raw)
	if !ok {
		return errEscape
	}
	p.scratch = p.scratch[:len(p.scratch)+len(body)]
	l.Body = body[:len(body):len(body)]
	return nil
}

// appendUnescaped undoes appendEscaped; any other escape is refused (HF1-BAT-02).
func appendUnescaped(dst, raw []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...), true
		}
		if i+1 == len(raw) {
			return dst, false
		}
		var c byte
		switch raw[i+1] {
		case '\\':
			c = '\\'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		default:
			return dst, false
		}
		dst = append(append(dst, raw[:i]...), c)
		raw = raw[i+2:]
	}
}

// SplitText yields the pieces of a text message, and whether another follows. Each piece's line is
// at most [MaxLine] bytes, pieces part between scalar values, and an empty message is one empty
// line (HF1-BAT-08).
func SplitText(payload []byte) iter.Seq2[[]byte, bool] {
	return func(yield func([]byte, bool) bool) {
		for {
			n := pieceOf(payload)
			if n == len(payload) {
				yield(payload, false)
				return
			}
			if !yield(payload[:n:n], true) {
				return
			}
			payload = payload[n:]
		}
	}
}

// pieceOf returns how many bytes of the payload go into the next line: all of them, if they fit
// without "+".
func pieceOf(payload []byte) int {
	const last = MaxLine - len("t\n")
	const piece = MaxLine - len("+t\n")
	size, cut := 0, 0
	for at := 0; at < len(payload); {
		width, escaped := 1, 1
		switch c := payload[at]; {
		case c == '\\' || c == '\n' || c == '\r':
			escaped = 2
		case c >= utf8.RuneSelf:
			_, width = utf8.DecodeRune(payload[at:])
			escaped = width
		}
		size += escaped
		at += width
		if size <= piece {
			cut = at
		}
		if size > last {
			return cut
		}
	}
	return len(payload)
}
