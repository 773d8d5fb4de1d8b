package wire

import (
	"bytes"
	"strconv"
)

// AppendHead appends the head line of a batch.
func AppendHead(dst []byte, first, ack uint64) []byte {
	dst = append(dst, '@')
	dst = strconv.AppendUint(dst, first, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, ack, 10)
	return append(dst, '\n')
}

// AppendBinaryHead appends the head of a WebSocket binary frame; the raw bytes of its one line
// follow.
func AppendBinaryHead(dst []byte, first, ack uint64, more bool) []byte {
	dst = AppendHead(dst, first, ack)
	if more {
		dst = append(dst[:len(dst)-1], " +\n"...)
	}
	return dst
}

// head is a parsed head line.
type head struct {
	first, ack uint64
	more       bool // the last field of a binary frame's head is "+"
}

// parseHead reads a head line without its LF. The mark is checked and ignored (HF1-BAT-12).
func parseHead(b []byte, binary bool) (h head, err *parseError) {
	if len(b) == 0 || b[0] != '@' {
		return h, errHead
	}
	var field []byte
	field, b, _ = bytes.Cut(b[1:], space)
	if h.first, err = parseNumber(field); err != nil {
		return h, err
	}
	if h.first == 0 {
		return h, errRange // HF1-BAT-04: numbers count from 1
	}
	field, b, more := bytes.Cut(b, space)
	if h.ack, err = parseNumber(field); err != nil {
		return h, err
	}
	if more && (!binary || !bytes.Equal(b, plus)) {
		field, b, more = bytes.Cut(b, space)
		if !isMark(field) {
			return h, errHead
		}
	}
	if more {
		if !binary || !bytes.Equal(b, plus) {
			return h, errHead
		}
		h.more = true
	}
	return h, nil
}

var (
	space = []byte{' '}
	plus  = []byte{'+'}
)

// maxMark bounds the mark of a head line, in bytes.
const maxMark = 64

func isMark(b []byte) bool {
	if len(b) == 0 || len(b) > maxMark {
		return false
	}
	for _, c := range b {
		if !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
