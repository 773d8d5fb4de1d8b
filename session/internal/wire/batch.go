package wire

import (
	"bytes"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/transport"
)

// Parse reads a whole batch, or nothing of it (HF1-BAT-01): after an error the packet is empty.
// Limit is the maxBatch that this side has advertised, in bytes. The bodies alias the batch and the
// packet: they are valid until the next parse or until the batch's bytes are used again. Errors are
// *ProtocolError.
//
// What a transport may have added, a BOM and the CR before an LF, it has also taken out
// (transport.DecodeText): here any other would be one too many (HF1-BAT-06).
func (p *Packet) Parse(b transport.Batch, limit int) error {
	p.reset()
	if b.Len() > limit {
		return errSize.err() // HF1-BAT-05
	}
	data := whole(b)
	var err error
	if b.Binary {
		err = p.parseBinary(data)
	} else {
		err = p.parseText(data)
	}
	if err != nil {
		p.reset()
	}
	return err
}

// whole is the batch in one slice. A received batch is that already.
func whole(b transport.Batch) []byte {
	if len(b.Parts) == 1 {
		return b.Parts[0]
	}
	return bytes.Join(b.Parts, nil)
}

// parseBinary reads a WebSocket binary frame: a head line, then the raw bytes of one binary log
// line.
func (p *Packet) parseBinary(data []byte) error {
	if len(data) == 0 {
		return errEmpty.err()
	}
	// A head is short: a frame without one is not searched to its end.
	end := bytes.IndexByte(data[:min(len(data), maxHead)], '\n')
	if end < 0 {
		return errHead.at(0)
	}
	h, err := parseHead(data[:end], true)
	if err != nil {
		return err.at(0)
	}
	p.First, p.Ack = h.first, h.ack
	p.Lines = append(p.Lines, Line{Kind: BinaryLine, More: h.more, Body: data[end+1:]})
	p.Logs = 1
	if p.First > MaxNumber-1 {
		return errRange.at(0)
	}
	return nil
}

// maxHead bounds a head line: "@", two numbers, mark, "+", spaces and LF.
const maxHead = 1 + 2*maxDigits + maxMark + 1 + 3 + 1

func (p *Packet) parseText(data []byte) error {
	switch {
	case len(data) == 0:
		return errEmpty.err()
	case data[len(data)-1] != '\n':
		return errUnended.err() // HF1-BAT-01: incomplete
	case !utf8.Valid(data):
		return errUTF8.err() // HF1-BAT-06
	case bytes.IndexByte(data, '\r') >= 0:
		return errReturn.err() // HF1-BAT-06: the transport has taken out those that may be there
	}
	raw, rest, _ := bytes.Cut(data, newline)
	h, err := parseHead(raw, false)
	if err != nil {
		return err.at(0)
	}
	p.First, p.Ack = h.first, h.ack
	if err := p.parseLines(rest); err != nil {
		return err
	}
	// HF1-BAT-04: also the number after the last line must be one that a head can state.
	if p.First > MaxNumber-uint64(p.Logs) {
		return errRange.at(0)
	}
	return nil
}

// parseLines reads what follows the head.
func (p *Packet) parseLines(data []byte) error {
	if n := bytes.Count(data, newline); cap(p.Lines) < n {
		p.Lines = make([]Line, 0, max(n, 8))
	}
	var last *Line // the log line before
	for at := 1; len(data) > 0; at++ {
		var raw []byte
		raw, data, _ = bytes.Cut(data, newline)
		p.Lines = append(p.Lines, Line{})
		l := &p.Lines[at-1] // it does not move: there is room for all
		err := p.parseLine(l, raw, len(data))
		if err == nil && l.IsLog() {
			err = follows(last, l)
			last = l
			p.Logs++
		}
		if err != nil {
			return err.at(at)
		}
	}
	return nil
}

var newline = []byte{'\n'}

// parseLine reads one line after the head, without its LF. Rest is how many bytes of the batch come
// after it.
func (p *Packet) parseLine(l *Line, raw []byte, rest int) *parseError {
	if len(raw) > 0 && raw[0] == '+' {
		l.More = true
		raw = raw[1:]
	}
	if len(raw) == 0 {
		return errLine
	}
	switch sign := raw[0]; {
	case sign == 't':
		l.Kind = TextLine
		return p.parseTextLine(l, raw[1:], rest)
	case sign == 'b':
		l.Kind = BinaryLine
		return p.parseBinaryLine(l, raw[1:], rest)
	case (sign == '!' || sign == '?') && !l.More:
		l.Kind = ControlLine
		return parseControlLine(l, raw)
	}
	return errLine
}

// follows checks a log line against the one before it in the same batch; across batches that is the
// session's to check.
func follows(last, next *Line) *parseError {
	switch {
	case last == nil:
		return nil
	case last.Kind == ControlLine:
		return errAfterClose // HF1-CLO-01: close is the last line of its log
	case last.More && last.Kind != next.Kind:
		return errPiece // HF1-BAT-09
	}
	return nil
}
