package logs

import (
	"iter"
	"unsafe"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// entry is one line of a log. Its bytes never change, so that batches may still share them after
// the line was freed.
type entry struct {
	data   []byte // as in encodedLine
	end    int64  // window bytes of the whole log up to and with this line
	share  *Share // of the last line of a shared message
	kind   wire.Kind
	more   bool // continued by the next entry
	shared bool // part of a shared message
}

// SendLog holds the lines that this side has sent, or will send, and that the peer has not
// acknowledged (I2). The zero value is an empty log.
type SendLog struct {
	acked   uint64 // highest ack of the peer: entries[0] has number acked+1
	written uint64 // highest number ever written to a conn
	last    uint64 // number of the newest line
	entries []entry
	one     [1]entry // room for the common log of one line
	freed   int64    // window bytes up to acked
	payload int64    // memory of the lines that no other log shares, in bytes
	room    int      // entries that the array below entries has room for, freed ones too
	closing uint64   // number of this side's !close; 0: none
}

// Acked is the highest number that the peer has acknowledged.
func (l *SendLog) Acked() uint64 { return l.acked }

// Written is the highest number that was ever written to a conn.
func (l *SendLog) Written() uint64 { return l.written }

// Last is the number of the newest line.
func (l *SendLog) Last() uint64 { return l.last }

// Closing is the number of this side's !close, 0 if there is none.
func (l *SendLog) Closing() uint64 { return l.closing }

// Bytes are the unacknowledged window bytes.
func (l *SendLog) Bytes() int64 {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].end - l.freed
	}
	return 0
}

const entrySize = int64(unsafe.Sizeof(entry{}))

// Memory is what the log keeps in memory, in bytes: its lines, but for those that other logs share,
// and its entries.
func (l *SendLog) Memory() int64 { return l.payload + int64(l.room)*entrySize }

// Append adds a message and returns the number of its last line (HF1-BAT-08).
func (l *SendLog) Append(e *Encoded) uint64 {
	shared := e.share != nil
	l.add(&e.first, shared)
	for i := range e.rest {
		l.add(&e.rest[i], shared)
	}
	if shared {
		l.entries[len(l.entries)-1].share = e.share
		e.share.keeper.Keep()
	}
	return l.last
}

func (l *SendLog) add(line *encodedLine, shared bool) {
	end := l.freed + l.Bytes() + line.cost
	if l.entries == nil {
		l.entries = l.one[:0]
	}
	before := cap(l.entries)
	l.entries = append(l.entries, entry{kind: line.kind, more: line.more, data: line.data, end: end, shared: shared})
	if now := cap(l.entries); now != before { // a new array
		l.room = now
	}
	if !shared {
		l.payload += int64(cap(line.data))
	}
	l.last++
}

// AppendClose adds !close, the last line. It is free of the window.
func (l *SendLog) AppendClose(c wire.Close) {
	l.add(&encodedLine{kind: wire.ControlLine, data: wire.AppendControl(nil, c)}, false)
	l.closing = l.last
}

// Acknowledge frees the lines up to n and reports whether that was news. The caller has checked n
// against Written (HF1-NUM-09).
func (l *SendLog) Acknowledge(n uint64) bool {
	if n <= l.acked {
		return false
	}
	k := n - l.acked
	l.free(l.entries[:k])
	l.entries = l.entries[k:]
	l.acked = n
	if len(l.entries) == 0 {
		l.entries, l.room = nil, 0
	}
	return true
}

// free drops the payloads of the oldest entries: the backing array must not keep them.
func (l *SendLog) free(entries []entry) {
	for i := range entries {
		e := &entries[i]
		if !e.shared {
			l.payload -= int64(cap(e.data))
		}
		l.freed = e.end
		if e.share != nil {
			e.share.keeper.Release()
		}
		*e = entry{}
	}
}

// Discard drops every line, since the session has ended. The numbers stay, for the fates of the
// messages (HF1-CLO-05).
func (l *SendLog) Discard() {
	l.free(l.entries)
	l.entries, l.room = nil, 0
}

// SendFrom turns a stated position into one to send from: never below the highest ack (HF1-NUM-08).
func (l *SendLog) SendFrom(stated uint64) uint64 { return max(stated, l.acked) }

// Fits says whether line n may be sent within the window (HF1-NUM-10). A window below 0 lets no
// line go.
func (l *SendLog) Fits(n uint64, window int64) bool {
	if n <= l.acked || n > l.acked+uint64(len(l.entries)) || window < 0 {
		return false
	}
	e := &l.entries[n-l.acked-1]
	if e.end-l.freed <= window || e.kind == wire.ControlLine {
		return true
	}
	for i := range l.entries { // the oldest message may always go
		if uint64(i) == n-l.acked-1 {
			return true
		}
		if !l.entries[i].more {
			return false
		}
	}
	return false
}

// lines walks the lines after pos that the window lets go.
func (l *SendLog) lines(pos uint64, window int64) iter.Seq2[uint64, *entry] {
	return func(yield func(uint64, *entry) bool) {
		for n := pos + 1; l.Fits(n, window); n++ {
			if !yield(n, &l.entries[n-l.acked-1]) {
				return
			}
		}
	}
}
