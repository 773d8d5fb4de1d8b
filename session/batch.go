package session

import (
	"bytes"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/transport"
)

// What a packet keeps from one batch for the next: enough for a batch of default size, not for the largest there is.
const (
	keptLines   = 1024
	keptScratch = 64 << 10
)

// packet is a parsed batch. One packet is used for many batches, one after the other, so that reading allocates nothing.
type packet struct {
	first, ack uint64 // the head's
	lines      []line // controls and log lines, in order
	logs       int    // how many of the lines are log lines

	scratch []byte // unescaped and decoded bodies
}

// parse reads a whole batch, or nothing of it (HF1-BAT-01): after an error the packet is empty. Limit is the maxBatch that
// this side has advertised, in bytes. The bodies alias the batch and the packet: they are valid until the next parse or
// until the batch's bytes are used again. Errors are *ProtocolError.
//
// What a transport may have added, a BOM and the CR before an LF, it has also taken out (transport.DecodeText): here any
// other would be one too many (HF1-BAT-06).
func (p *packet) parse(b transport.Batch, limit int) error {
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

func (p *packet) reset() {
	p.first, p.ack, p.logs = 0, 0, 0
	p.lines = p.lines[:0]
	p.scratch = p.scratch[:0]
	if cap(p.lines) > keptLines {
		p.lines = nil
	}
	if cap(p.scratch) > keptScratch {
		p.scratch = nil
	}
}

// parseBinary reads a WebSocket binary frame: a head line, then the raw bytes of one binary log line.
func (p *packet) parseBinary(data []byte) error {
	if len(data) == 0 {
		return errEmpty.err()
	}
	// A head is short: a frame without one is not searched to its end.
	end := bytes.IndexByte(data[:min(len(data), maxHead)], '\n')
	if end < 0 {
		return errHead.at(0)
	}
	h, broken := parseHead(data[:end], true)
	if broken != nil {
		return broken.at(0)
	}
	p.first, p.ack = h.first, h.ack
	p.lines = append(p.lines, line{kind: lineBinary, more: h.more, body: data[end+1:]})
	p.logs = 1
	if p.first > maxNumber-1 {
		return errRange.at(0)
	}
	return nil
}

// maxHead bounds a head line: "@", two numbers, mark, "+", spaces and LF.
const maxHead = 1 + 2*maxDigits + maxMark + 1 + 3 + 1

func (p *packet) parseText(data []byte) error {
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
	h, broken := parseHead(raw, false)
	if broken != nil {
		return broken.at(0)
	}
	p.first, p.ack = h.first, h.ack
	if err := p.parseLines(rest); err != nil {
		return err
	}
	// HF1-BAT-04: also the number after the last line must be one that a head can state.
	if p.first > maxNumber-uint64(p.logs) {
		return errRange.at(0)
	}
	return nil
}

// parseLines reads what follows the head.
func (p *packet) parseLines(data []byte) error {
	if n := bytes.Count(data, newline); cap(p.lines) < n {
		p.lines = make([]line, 0, max(n, 8))
	}
	var last *line // the log line before
	for at := 1; len(data) > 0; at++ {
		var raw []byte
		raw, data, _ = bytes.Cut(data, newline)
		p.lines = append(p.lines, line{})
		l := &p.lines[at-1] // it does not move: there is room for all
		broken := p.parseLine(l, raw, len(data))
		if broken == nil && l.isLog() {
			broken = follows(last, l)
			last = l
			p.logs++
		}
		if broken != nil {
			return broken.at(at)
		}
	}
	return nil
}

var newline = []byte{'\n'}

// parseLine reads one line after the head, without its LF. Rest is how many bytes of the batch come after it.
func (p *packet) parseLine(l *line, raw []byte, rest int) *breach {
	if len(raw) > 0 && raw[0] == '+' {
		l.more = true
		raw = raw[1:]
	}
	if len(raw) == 0 {
		return errLine
	}
	switch sign := raw[0]; {
	case sign == 't':
		l.kind = lineText
		return p.parseTextLine(l, raw[1:], rest)
	case sign == 'b':
		l.kind = lineBinary
		return p.parseBinaryLine(l, raw[1:], rest)
	case (sign == '!' || sign == '?') && !l.more:
		l.kind = lineControl
		return parseControlLine(l, raw)
	}
	return errLine
}

// follows checks a log line against the one before it in the same batch; across batches that is the session's to check.
func follows(last, next *line) *breach {
	switch {
	case last == nil:
		return nil
	case last.kind == lineControl:
		return errAfterClose // HF1-CLO-01: close is the last line of its log
	case last.more && last.kind != next.kind:
		return errPiece // HF1-BAT-09
	}
	return nil
}

// room returns the scratch's free end with at least n bytes of capacity. The first use makes room for all that the batch
// can still hold, since no body is longer than its line: so the scratch does not move under bodies already there.
func (p *packet) room(n, rest int) []byte {
	if cap(p.scratch)-len(p.scratch) < n {
		p.scratch = make([]byte, 0, n+rest)
	}
	return p.scratch[len(p.scratch):]
}
