package session

import (
	"bytes"
	"strconv"
)

// maxNumber is the largest number of the wire, 2^53-1: what every language holds exactly.
const maxNumber = 1<<53 - 1

const (
	maxDigits = 16 // of maxNumber
	maxMark   = 64
)

func appendHead(dst []byte, first, ack uint64) []byte {
	dst = append(dst, '@')
	dst = strconv.AppendUint(dst, first, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, ack, 10)
	return append(dst, '\n')
}

// appendBinaryHead appends the head of a WebSocket binary frame; the raw bytes of its one line follow.
func appendBinaryHead(dst []byte, first, ack uint64, more bool) []byte {
	dst = appendHead(dst, first, ack)
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
func parseHead(b []byte, binary bool) (h head, broken *breach) {
	if len(b) == 0 || b[0] != '@' {
		return h, errHead
	}
	var field []byte
	field, b, _ = bytes.Cut(b[1:], space)
	if h.first, broken = parseNumber(field); broken != nil {
		return h, broken
	}
	if h.first == 0 {
		return h, errRange // HF1-BAT-04: numbers count from 1
	}
	field, b, more := bytes.Cut(b, space)
	if h.ack, broken = parseNumber(field); broken != nil {
		return h, broken
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

// parseNumber reads a number in its only form (HF1-BAT-04).
func parseNumber(b []byte) (uint64, *breach) {
	if len(b) == 0 || len(b) > maxDigits || b[0] == '0' && len(b) > 1 {
		return 0, errNumber
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		n = n*10 + uint64(c-'0')
	}
	if n > maxNumber {
		return 0, errNumber
	}
	return n, nil
}

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

func isAlnum(c byte) bool { return isLower(c) || isDigit(c) || c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
