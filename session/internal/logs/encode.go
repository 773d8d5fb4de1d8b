package logs

import (
	"unsafe"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// lineCost is what a line costs of the window beside its payload (HF1-NUM-10).
const lineCost = 16

// encodedLine is a line of a message before it has a number. Its bytes never change, so batches may
// share them.
type encodedLine struct {
	kind wire.Kind
	more bool   // continued by the next line
	data []byte // text and !close: the whole encoded line; binary: the raw payload
	cost int64  // of the window
}

// Encoded is a message as lines. It is encoded once, whatever the number of logs it goes to, and it
// never changes.
type Encoded struct {
	first encodedLine // most messages are one line: that costs no slice
	rest  []encodedLine
	cost  int64
	share *Share
}

// Share counts the logs that hold one message, so that its bytes are booked once and not once for
// every receiver.
type Share struct{ keeper Keeper }

// Keeper is told when a log begins to hold a shared message, and when it lets it go. It is called
// under the lock of the log's session, by the sessions of all receivers at once.
type Keeper interface {
	Keep()
	Release()
}

// Encode copies a message into lines. The payload of a text is UTF-8: see [wire.IsText].
func Encode(kind wire.Kind, payload []byte) Encoded {
	var e Encoded
	if kind == wire.TextLine {
		for piece, more := range wire.SplitText(payload) {
			line := wire.AppendText(make([]byte, 0, len(piece)+3), piece, more)
			e.add(encodedLine{kind, more, line, int64(len(piece) + lineCost)})
		}
		return e
	}
	own := append(make([]byte, 0, len(payload)), payload...)
	for piece, more := range wire.SplitBinary(own) {
		e.add(encodedLine{kind, more, piece, int64(len(piece) + lineCost)})
	}
	return e
}

func (e *Encoded) add(line encodedLine) {
	if e.first.data == nil {
		e.first = line
	} else {
		e.rest = append(e.rest, line)
	}
	e.cost += line.cost
}

// MaxCost is what no message of that many bytes is above of the window.
func MaxCost(size int) int { return size + size/1024*lineCost + 4096 }

// Cost is what the message takes of the window, in bytes.
func (e *Encoded) Cost() int64 { return e.cost }

// Memory is what the lines keep in memory, in bytes.
func (e *Encoded) Memory() int64 {
	n := int64(cap(e.first.data))
	for i := range e.rest {
		n += int64(cap(e.rest[i].data))
	}
	return n + int64(cap(e.rest))*int64(unsafe.Sizeof(encodedLine{}))
}

// ShareWith makes a message one that many logs hold: k is told of each of them.
func (e *Encoded) ShareWith(k Keeper) { e.share = &Share{k} }
