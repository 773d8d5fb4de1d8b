package wire

import (
	"encoding/base64"
	"iter"
)

// strictBase64 is padded standard base64 whose trailing bits must be zero (HF1-BAT-03). It skips CR
// and LF, of which a line has none.
var strictBase64 = base64.StdEncoding.Strict()

// maxBinaryPiece is the most bytes of which the base64 fits a line of [MaxLine]: 383 groups of
// three (HF1-BAT-08).
const maxBinaryPiece = (MaxLine - len("+b\n")) / 4 * 3

// AppendBinary appends a whole binary line in text form with its LF.
func AppendBinary(dst, payload []byte, more bool) []byte {
	if more {
		dst = append(dst, '+')
	}
	dst = append(dst, 'b')
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return append(dst, '\n')
}

// parseBinaryLine sets the body of a binary line from what follows its type letter.
func (p *Packet) parseBinaryLine(l *Line, raw []byte, rest int) *parseError {
	if len(raw)%4 != 0 {
		return errBase64
	}
	if len(raw) == 0 {
		l.Body = raw
		return nil
	}
	room := p.room(len(raw), rest)
	n, err := strictBase64.Decode(room[:len(raw)], raw)
	if err != nil {
		return errBase64
	}
	p.scratch = p.scratch[:len(p.scratch)+n]
	l.Body = room[:n:n]
	return nil
}

// SplitBinary yields the pieces of a binary message, and whether another follows. An empty message
// is one empty line.
func SplitBinary(payload []byte) iter.Seq2[[]byte, bool] {
	return func(yield func([]byte, bool) bool) {
		for len(payload) > maxBinaryPiece {
			if !yield(payload[:maxBinaryPiece:maxBinaryPiece], true) {
				return
			}
			payload = payload[maxBinaryPiece:]
		}
		yield(payload, false)
	}
}
