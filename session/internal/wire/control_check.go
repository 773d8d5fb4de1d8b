package wire

import "encoding/json"

// scanObject checks that data is one object with these fields, without white space around it.
func scanObject(data []byte, fields []field, found func(i int, value []byte)) *parseError {
	s := scanner{data: data, found: found}
	if len(data) == 0 || data[0] != '{' {
		return errJSON
	}
	if err := s.object(fields); err != nil {
		return err
	}
	if s.at != len(data) {
		return errJSON
	}
	return nil
}

// object reads an object and holds it to its fields.
func (s *scanner) object(fields []field) *parseError {
	var seen uint32
	err := s.members(func(name []byte) *parseError {
		i := fieldOf(fields, unquoted(name))
		if i < 0 {
			return s.value() // HF1-BAT-10: unknown fields are ignored
		}
		if seen&(1<<i) != 0 {
			return errDuplicate
		}
		seen |= 1 << i
		return s.member(i, &fields[i])
	})
	if err == nil && !complete(fields, seen) {
		return errMissing
	}
	return err
}

// member reads the value of field i and tells whoever waits for it.
func (s *scanner) member(i int, f *field) *parseError {
	s.peek()
	start := s.at
	if err := s.typed(f); err != nil {
		return err
	}
	value := s.data[start:s.at]
	if f.filled && (string(value) == "0" || string(value) == `""`) {
		return errZero
	}
	if s.found != nil && s.depth == 1 {
		s.found(i, value)
	}
	return nil
}

// typed reads the value of a named field, which must have the type that the document names
// (HF1-BAT-11).
func (s *scanner) typed(f *field) *parseError {
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
		return s.items('[', ']', func() *parseError { return s.typed(&element) })
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
func (s *scanner) wrong() *parseError {
	if err := s.value(); err != nil {
		return err
	}
	return errType
}

// plainNumber reads a number of the wire.
func (s *scanner) plainNumber() *parseError {
	if c := s.peek(); c != '-' && !isDigit(c) {
		return s.wrong()
	}
	start := s.at
	for s.at < len(s.data) && isNumeric(s.data[s.at]) {
		s.at++
	}
	_, err := parseNumber(s.data[start:s.at])
	return err
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
