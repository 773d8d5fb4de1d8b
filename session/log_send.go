package session

import (
	"iter"

	"github.com/holdfast-rt/holdfast/transport"
)

// lineCost is what a line costs of the window beside its payload (HF1-NUM-10).
const lineCost = 16

// entry is one line of a log. Its bytes never change, so that batches may share them after it was freed.
type entry struct {
	kind lineKind
	more bool   // continued by the next entry
	data []byte // text and !close: the whole encoded line; binary: the raw payload
	end  int64  // window bytes of the whole log up to and with this line
}

// sendLog holds the lines that this side has sent, or will, and that the peer has not acknowledged (I2).
type sendLog struct {
	base    uint64 // highest ack of the peer: entries[0] has number base+1
	sent    uint64 // highest number ever handed to a carrier
	entries []entry
	one     [1]entry // room for the common log of one line
	freed   int64    // window bytes up to base
	closing uint64   // number of this side's !close; 0: none
}

// last is the number of the newest line.
func (l *sendLog) last() uint64 { return l.base + uint64(len(l.entries)) }

// bytes are the unacknowledged window bytes.
func (l *sendLog) bytes() int64 {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].end - l.freed
	}
	return 0
}

func (l *sendLog) add(kind lineKind, more bool, data []byte, cost int64) {
	end := l.freed + l.bytes() + cost
	if l.entries == nil {
		l.entries = l.one[:0]
	}
	l.entries = append(l.entries, entry{kind: kind, more: more, data: data, end: end})
}

// append adds a message, copied, and returns the number of its last line (HF1-BAT-08).
func (l *sendLog) append(kind lineKind, payload []byte) uint64 {
	for line := range encodeLines(kind, payload) {
		l.add(kind, line.more, line.data, line.cost)
	}
	return l.last()
}

// encodedLine is a line of a message before it has a number.
type encodedLine struct {
	more bool
	data []byte // as in entry
	cost int64
}

// encodeLines copies a message into lines.
func encodeLines(kind lineKind, payload []byte) iter.Seq[encodedLine] {
	return func(yield func(encodedLine) bool) {
		if kind == lineText {
			for piece, more := range splitText(payload) {
				if !yield(encodedLine{more, appendText(make([]byte, 0, len(piece)+3), piece, more), int64(len(piece) + lineCost)}) {
					return
				}
			}
			return
		}
		own := append(make([]byte, 0, len(payload)), payload...)
		for piece, more := range splitBinary(own) {
			if !yield(encodedLine{more, piece, int64(len(piece) + lineCost)}) {
				return
			}
		}
	}
}

// messageCost is what a message takes of the window.
func messageCost(kind lineKind, payload []byte) int64 {
	split := splitBinary
	if kind == lineText {
		split = splitText
	}
	n := int64(len(payload))
	for range split(payload) {
		n += lineCost
	}
	return n
}

// appendClose adds !close, the last line; it is free of the window.
func (l *sendLog) appendClose(c closeControl) {
	l.add(lineControl, false, appendControl(nil, true, "close", c), 0)
	l.closing = l.last()
}

// acked frees lines up to n and reports whether that was news. The caller has checked n against sent (HF1-NUM-09).
func (l *sendLog) acked(n uint64) bool {
	if n <= l.base {
		return false
	}
	k := n - l.base
	l.freed = l.entries[k-1].end
	clear(l.entries[:k]) // the backing array must not keep freed payloads
	l.entries = l.entries[k:]
	l.base = n
	if len(l.entries) == 0 {
		l.entries = nil
	}
	return true
}

// from turns a stated position into one to send from: never below the highest ack (HF1-NUM-08).
func (l *sendLog) from(pos uint64) uint64 { return max(pos, l.base) }

// noLines as the window keeps every line back.
const noLines = -1

// fits says whether line n may be sent within the window (HF1-NUM-10).
func (l *sendLog) fits(n uint64, win int64) bool {
	if n <= l.base || n > l.last() || win < 0 {
		return false
	}
	e := &l.entries[n-l.base-1]
	if e.end-l.freed <= win || e.kind == lineControl {
		return true
	}
	for i := range l.entries { // the oldest message may always go
		if uint64(i) == n-l.base-1 {
			return true
		}
		if !l.entries[i].more {
			return false
		}
	}
	return false
}

// lines walks the lines after pos that the window lets go.
func (l *sendLog) lines(pos uint64, win int64) iter.Seq2[uint64, *entry] {
	return func(yield func(uint64, *entry) bool) {
		for n := pos + 1; l.fits(n, win); n++ {
			if !yield(n, &l.entries[n-l.base-1]) {
				return
			}
		}
	}
}

// outBatch is a batch being made, and its memory. It belongs to whoever took it from the pool until the carrier has written it.
type outBatch struct {
	head  []byte // head line and controls
	body  []byte // base64 lines
	parts [][]byte
	kind  bool // binary frame
	size  int
	last  bool // the carrier ends with this batch
}

func (b *outBatch) reset() {
	clear(b.parts)
	b.head, b.body, b.parts, b.kind, b.size, b.last = b.head[:0], b.body[:0], b.parts[:0], false, 0, false
}

func (b *outBatch) batch() transport.Batch { return transport.Batch{Binary: b.kind, Parts: b.parts} }

// maxAddress is what controls may take of a batch that still has a line, whatever its limit: with it the batch is below 2 KiB (I7).
const maxAddress = 400

// fill writes head, controls and as many lines after pos as fit limit, one at least, and returns the new position. ctl are whole
// control lines. On a socket a binary line that comes first goes as a binary frame by itself.
func (l *sendLog) fill(b *outBatch, pos, ack uint64, ctl []byte, win int64, limit int, socket bool) uint64 {
	first := pos + 1
	if socket && len(ctl) == 0 && l.fits(first, win) {
		if e := &l.entries[first-l.base-1]; e.kind == lineBinary {
			b.head = appendBinaryHead(b.head, first, ack, e.more)
			b.kind, b.size = true, len(b.head)+len(e.data)
			b.parts = append(b.parts, b.head, e.data)
			return l.mark(first)
		}
	}
	b.head = append(appendHead(b.head, first, ack), ctl...)
	b.size = len(b.head)
	b.parts = append(b.parts, b.head)
	start, total := pos, b.size
	if !socket { // one buffer for the base64 lines, sized first: parts must not move
		need := 0
		for _, e := range l.lines(pos, win) {
			n := encodedSize(e)
			if total+n > limit && (need > 0 || len(ctl) > maxAddress) || total > limit {
				break
			}
			total += n
			if e.kind == lineBinary {
				need += n
			}
		}
		if cap(b.body) < need {
			b.body = make([]byte, 0, need)
		}
	}
	for n, e := range l.lines(pos, win) {
		size := encodedSize(e)
		if b.size+size > limit && (pos > start || len(ctl) > maxAddress) || socket && e.kind == lineBinary {
			break
		}
		part := e.data
		if e.kind == lineBinary {
			from := len(b.body)
			b.body = appendBinary(b.body, e.data, e.more)
			part = b.body[from:]
		}
		b.parts = append(b.parts, part)
		b.size += size
		pos = n
	}
	return l.mark(pos)
}

// mark remembers that lines up to n were handed to a carrier.
func (l *sendLog) mark(n uint64) uint64 {
	l.sent = max(l.sent, n)
	return n
}

func encodedSize(e *entry) int {
	if e.kind != lineBinary {
		return len(e.data)
	}
	n := 2 + (len(e.data)+2)/3*4
	if e.more {
		n++
	}
	return n
}
