package logs

import (
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Batch is a batch that is being made, and its memory. It belongs to whoever took it from a pool
// until its conn has written it. The zero value is ready.
type Batch struct {
	head   []byte // head line and controls
	body   []byte // base64 lines
	parts  [][]byte
	binary bool
	size   int
}

// Reset makes the batch ready for its next use. It lets shared bytes go.
func (b *Batch) Reset() {
	clear(b.parts)
	b.head, b.body, b.parts, b.binary, b.size = b.head[:0], b.body[:0], b.parts[:0], false, 0
}

// Batch is what a conn sends. It is valid until Reset.
func (b *Batch) Batch() transport.Batch { return transport.Batch{Binary: b.binary, Parts: b.parts} }

// Size is the length of the batch in bytes.
func (b *Batch) Size() int { return b.size }

// NoLines as the window keeps every line back.
const NoLines = -1

// maxAddress is what controls may take of a batch that still has a line, whatever its limit: with
// it the batch is below 2 KiB (I7).
const maxAddress = 400

// Fill says what goes into a batch.
type Fill struct {
	From     uint64 // the lines after this position
	Ack      uint64
	Controls []byte // whole control lines
	Window   int64  // NoLines: controls alone
	Limit    int    // bytes
	Socket   bool   // a binary line that comes first goes as a binary frame by itself
}

// Fill writes head, controls and as many lines as the window and the limit let go, one at least,
// and returns the position after the last of them.
func (l *SendLog) Fill(b *Batch, f Fill) uint64 {
	if f.Socket && len(f.Controls) == 0 && l.fillFrame(b, &f) {
		return l.noteWritten(f.From + 1)
	}
	b.head = append(wire.AppendHead(b.head, f.From+1, f.Ack), f.Controls...)
	b.size = len(b.head)
	b.parts = append(b.parts, b.head)
	if !f.Socket {
		l.reserveBody(b, &f)
	}
	pos := f.From
	for n, e := range l.lines(pos, f.Window) {
		size := encodedSize(e)
		full := b.size+size > f.Limit && (pos > f.From || len(f.Controls) > maxAddress)
		if full || f.Socket && e.kind == wire.BinaryLine {
			break
		}
		part := e.data
		if e.kind == wire.BinaryLine {
			from := len(b.body)
			b.body = wire.AppendBinary(b.body, e.data, e.more)
			part = b.body[from:]
		}
		b.parts = append(b.parts, part)
		b.size += size
		pos = n
	}
	return l.noteWritten(pos)
}

// fillFrame makes a binary frame, if the next line is binary and may go.
func (l *SendLog) fillFrame(b *Batch, f *Fill) bool {
	first := f.From + 1
	if !l.Fits(first, f.Window) {
		return false
	}
	e := &l.entries[first-l.acked-1]
	if e.kind != wire.BinaryLine {
		return false
	}
	b.head = wire.AppendBinaryHead(b.head, first, f.Ack, e.more)
	b.binary, b.size = true, len(b.head)+len(e.data)
	b.parts = append(b.parts, b.head, e.data)
	return true
}

// reserveBody makes room for all base64 lines of the batch: parts must not move.
func (l *SendLog) reserveBody(b *Batch, f *Fill) {
	total, need := b.size, 0
	for _, e := range l.lines(f.From, f.Window) {
		n := encodedSize(e)
		if total+n > f.Limit && (need > 0 || len(f.Controls) > maxAddress) || total > f.Limit {
			break
		}
		total += n
		if e.kind == wire.BinaryLine {
			need += n
		}
	}
	if cap(b.body) < need {
		b.body = make([]byte, 0, need)
	}
}

// noteWritten remembers that the lines up to n were given to a conn.
func (l *SendLog) noteWritten(n uint64) uint64 {
	l.written = max(l.written, n)
	return n
}

func encodedSize(e *entry) int {
	if e.kind != wire.BinaryLine {
		return len(e.data)
	}
	n := 2 + (len(e.data)+2)/3*4
	if e.more {
		n++
	}
	return n
}
