package session

import "encoding/json"

// scanObject checks that data is one object with these fields, without white space around it.
func scanObject(data []byte, fields []field, found func(i int, value []byte)) *breach {
	s := scanner{data: data, found: found}
	if len(data) == 0 || data[0] != '{' {
		return errJSON
	}
	if broken := s.object(fields); broken != nil {
		return broken
	}
	if s.at != len(data) {
		return errJSON
	}
	return nil
}

// object reads an object. With fields it holds the object to them; nil takes any.
func (s *scanner) object(fields []field) *breach {
	var seen uint32
	broken := s.items('{', '}', func() *breach {
		start := s.at
		if broken := s.text(); broken != nil {
			return broken
		}
		name := s.data[start:s.at]
		if !s.take(':') {
			return errJSON
		}
		i := fieldOf(fields, unquoted(name))
		if i < 0 {
			return s.value() // HF1-BAT-10: unknown fields are ignored
		}
		if seen&(1<<i) != 0 {
			return errDuplicate
		}
		seen |= 1 << i
		s.peek()
		start = s.at
		if broken := s.typed(&fields[i]); broken != nil {
			return broken
		}
		if value := s.data[start:s.at]; fields[i].filled && (string(value) == "0" || string(value) == `""`) {
			return errZero
		}
		if s.found != nil && s.depth == 1 {
			s.found(i, s.data[start:s.at])
		}
		return nil
	})
	if broken == nil && !complete(fields, seen) {
		return errMissing
	}
	return broken
}

// typed reads the value of a named field, which must have the type that the document names (HF1-BAT-11).
func (s *scanner) typed(f *field) *breach {
	c := s.peek()
	switch f.typ {
	case typeNumber:
		return s.plainNumber()
	case typeText:
		if c != '"' {
			return s.wrong()
		}
		return s.text()
	case typeBool:
		if c != 't' && c != 'f' {
			return s.wrong()
		}
		return s.value()
	case typeNumbers, typeTexts:
		if c != '[' {
			return s.wrong()
		}
		element := field{typ: typeNumber}
		if f.typ == typeTexts {
			element.typ = typeText
		}
		return s.items('[', ']', func() *breach { return s.typed(&element) })
	case typeObject:
		if c != '{' {
			return s.wrong()
		}
		return s.object(f.fields)
	case typeAny:
		return s.value()
	}
	return errType
}

// wrong tells a value of the wrong type from one that is no JSON at all.
func (s *scanner) wrong() *breach {
	if broken := s.value(); broken != nil {
		return broken
	}
	return errType
}

// plainNumber reads a number of the wire.
func (s *scanner) plainNumber() *breach {
	if c := s.peek(); c != '-' && !isDigit(c) {
		return s.wrong()
	}
	start := s.at
	for s.at < len(s.data) && isNumeric(s.data[s.at]) {
		s.at++
	}
	_, broken := parseNumber(s.data[start:s.at])
	return broken
}

func isNumeric(c byte) bool {
	return isDigit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// unquoted returns the text of a JSON string: a name written with escapes is the same name.
func unquoted(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if json.Unmarshal(quoted, &s) != nil {
				return inner
			}
			return []byte(s)
		}
	}
	return inner
}
