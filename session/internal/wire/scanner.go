package wire

import "strings"

// maxDepth bounds the nesting of a control's JSON, the object itself counted (HF1-BAT-11).
const maxDepth = 8

// scanner reads the JSON of one control and checks it: the grammar of RFC 8259, the depth, and the
// fields that the document names. encoding/json would not do: it takes field names in any case,
// lets duplicates and null pass, reads 1.0 and has a bound of 10,000 on depth. It expects UTF-8 and
// allocates only for names with escapes.
type scanner struct {
	data  []byte
	at    int
	depth int
	found func(i int, value []byte) // called for each named field of the outer object, in the order they come
}

// peek skips white space and returns the byte that follows, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		if c := s.data[s.at]; c != ' ' && c != '\t' {
			return c
		}
	}
	return 0
}

// take reads one byte that must be c, after white space.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// items reads what stands between two brackets, separated by commas.
func (s *scanner) items(left, right byte, item func() *parseError) *parseError {
	if !s.take(left) {
		return errJSON
	}
	if s.depth++; s.depth > maxDepth {
		return errDepth // HF1-BAT-11
	}
	defer func() { s.depth-- }()
	if s.take(right) {
		return nil
	}
	for {
		s.peek()
		if err := item(); err != nil {
			return err
		}
		if s.take(right) {
			return nil
		}
		if !s.take(',') {
			return errJSON
		}
	}
}

// members reads an object. It calls value for each member, with its name in quotes; value reads
// what follows the colon.
func (s *scanner) members(value func(name []byte) *parseError) *parseError {
	return s.items('{', '}', func() *parseError {
		start := s.at
		if err := s.text(); err != nil {
			return err
		}
		name := s.data[start:s.at]
		if !s.take(':') {
			return errJSON
		}
		return value(name)
	})
}

// value reads any JSON value.
func (s *scanner) value() *parseError {
	switch c := s.peek(); {
	case c == '{':
		return s.members(func([]byte) *parseError { return s.value() })
	case c == '[':
		return s.items('[', ']', s.value)
	case c == '"':
		return s.text()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) word(w string) *parseError {
	if !strings.HasPrefix(string(s.data[s.at:min(len(s.data), s.at+len(w))]), w) {
		return errJSON
	}
	s.at += len(w)
	return nil
}

// text reads a string, quotes included.
func (s *scanner) text() *parseError {
	if s.at >= len(s.data) || s.data[s.at] != '"' {
		return errJSON
	}
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c < ' ':
			return errJSON
		case c == '\\':
			if !s.escape() {
				return errJSON
			}
		}
	}
	return errJSON
}

// escape reads an escape up to its last byte.
func (s *scanner) escape() bool {
	s.at++
	if s.at >= len(s.data) {
		return false
	}
	switch s.data[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			s.at++
			if s.at >= len(s.data) || !isHex(s.data[s.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// number reads a JSON number of any form: it stands in a field that the document does not name.
func (s *scanner) number() *parseError {
	if s.at < len(s.data) && s.data[s.at] == '-' {
		s.at++
	}
	start := s.at
	if n := s.digits(); n == 0 || n > 1 && s.data[start] == '0' {
		return errJSON
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return errJSON
		}
	}
	if s.at < len(s.data) && (s.data[s.at] == 'e' || s.data[s.at] == 'E') {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return errJSON
		}
	}
	return nil
}

func (s *scanner) digits() (n int) {
	for ; s.at < len(s.data) && isDigit(s.data[s.at]); s.at++ {
		n++
	}
	return n
}
