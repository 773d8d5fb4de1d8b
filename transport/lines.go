package transport

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

var (
	bom     = []byte("\uFEFF")
	crlf    = []byte("\r\n")
	endLine = []byte("\n.\n")
)

// DecodeText turns one WebSocket text frame into the batch that [Conn.Receive] returns: UTF-8
// checked, without a BOM in front and without the CR before each LF (HF1-BAT-06). It works in place
// and returns a part of p.
func DecodeText(p []byte) ([]byte, error) {
	if !utf8.Valid(p) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrGarbled)
	}
	return stripCR(bytes.TrimPrefix(p, bom)), nil
}

// DecodeLines splits a batch from its end line, as they are in an event after the first one, which
// has the preamble. It returns the batch's lines, each ended by LF (HF1-HTTP-02). It works in
// place. The errors are [ErrGarbled] and [ErrTruncated].
func DecodeLines(p []byte) ([]byte, error) {
	p, err := DecodeText(p)
	if err != nil {
		return nil, err
	}
	return cutEnd(p)
}

// DecodeBody splits a whole HTTP body: the preamble, the batch's lines, the end line. It works in
// place; the lines are a part of p. The errors are [ErrGarbled], and [ErrTruncated] for what may be
// the start of a body.
func DecodeBody(p []byte) (Preamble, []byte, error) {
	p, err := DecodeText(p)
	if err != nil {
		return Preamble{}, nil, err
	}
	line, rest, ok := bytes.Cut(p, []byte{'\n'})
	if !ok {
		if bytes.HasPrefix(line, []byte(magic)) || bytes.HasPrefix([]byte(magic), line) {
			return Preamble{}, nil, fmt.Errorf("%w: inside the preamble", ErrTruncated)
		}
		return Preamble{}, nil, fmt.Errorf("%w: no preamble", ErrGarbled)
	}
	pre, err := parsePreamble(line)
	if err != nil {
		return Preamble{}, nil, err
	}
	lines, err := cutEnd(rest)
	return pre, lines, err
}

// cutEnd finds the end line, the only line that is just a dot. No line of a batch starts with a
// dot.
func cutEnd(p []byte) ([]byte, error) {
	var lines, after []byte
	switch i := bytes.Index(p, endLine); {
	case bytes.HasPrefix(p, endLine[1:]):
		after = p[2:]
	case i >= 0:
		lines, after = p[:i+1], p[i+len(endLine):]
	case bytes.HasSuffix(p, endLine[:2]): // a final dot without LF is complete
		lines = p[:len(p)-1]
	case len(p) == 1 && p[0] == '.':
	default:
		return nil, fmt.Errorf("%w: no end line", ErrTruncated)
	}
	if len(after) > 0 {
		return nil, fmt.Errorf("%w: something after the end line", ErrGarbled)
	}
	return lines, nil
}

// stripCR removes one CR before each LF, in place.
func stripCR(p []byte) []byte {
	i := bytes.Index(p, crlf)
	if i < 0 {
		return p
	}
	kept := p[:i]
	for rest := p[i+1:]; ; {
		// rest starts with the LF whose CR was removed; look for the next pair after it.
		next := bytes.Index(rest, crlf)
		if next < 0 {
			return append(kept, rest...)
		}
		kept = append(kept, rest[:next]...)
		rest = rest[next+1:]
	}
}
