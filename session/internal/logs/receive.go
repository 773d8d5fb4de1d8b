package logs

import (
	"unsafe"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Received is a message, or the peer's !close, that waits for the application.
type Received struct {
	Data   []byte // belongs to the receiver
	Binary bool
	Number uint64 // of its last line
	Close  *wire.Close
	cost   int64 // of the window
}

// ReceiveLog puts the peer's lines together again: in order, once, whole (HF1-NUM-02). The zero
// value is an empty log.
type ReceiveLog struct {
	received uint64 // highest number received without a gap
	taken    uint64 // highest number the application has taken: the ack
	given    uint64 // highest number given to the application; it may not have finished with it
	queue    []Received
	head     int         // queue[head:] is waiting
	one      [1]Received // room for the common queue of one message
	payload  int64       // memory of the messages that are not taken, in bytes
	room     uint32      // messages that the array below queue has room for
	messages uint32      // received whole, modulo 2^32

	partial []byte // pieces of a message that is not whole
	pieces  uint32
	binary  bool
	closed  bool  // the peer's !close was received
	held    int64 // window bytes received and not taken

	ackSent   uint64 // the ack that was last written
	takenSize int64  // window bytes taken since then
}

// Received is the highest number received without a gap.
func (l *ReceiveLog) Received() uint64 { return l.received }

// Taken is the highest number that the application has taken: the ack.
func (l *ReceiveLog) Taken() uint64 { return l.taken }

// Given is the highest number that was given to the application. It may not have finished with it.
func (l *ReceiveLog) Given() uint64 { return l.given }

// Held are the window bytes received and not taken.
func (l *ReceiveLog) Held() int64 { return l.held }

// Messages counts those that were received whole, modulo 2^32.
func (l *ReceiveLog) Messages() uint32 { return l.messages }

// Memory is what the log keeps in memory, in bytes: messages that are not taken, pieces of one that
// is not whole, and the queue itself.
func (l *ReceiveLog) Memory() int64 {
	return l.payload + int64(l.room)*int64(unsafe.Sizeof(Received{})) + int64(cap(l.partial))
}

// Accept takes the log lines of a batch. gap: the batch starts beyond the next number, and nothing
// of it was taken.
func (l *ReceiveLog) Accept(p *wire.Packet) (fresh int, gap bool, err error) {
	if p.First > l.received+1 {
		return 0, true, nil
	}
	n := p.First
	for i := range p.Lines {
		line := &p.Lines[i]
		if !line.IsLog() {
			continue
		}
		if n > l.received {
			if err := l.take(line, n); err != nil {
				return fresh, false, err
			}
			l.received = n
			fresh++
		}
		n++
	}
	return fresh, false, nil
}

// IsFresh tells whether a batch brings a line that is not here yet and follows what is here.
func (l *ReceiveLog) IsFresh(p *wire.Packet) bool {
	return p.First <= l.received+1 && p.First+uint64(p.Logs) > l.received+1
}

// Check tells whether Accept would fail, so that a batch is refused whole (HF1-BAT-01).
func (l *ReceiveLog) Check(p *wire.Packet, maxMessage int) error {
	if p.First > l.received+1 {
		return nil
	}
	n := p.First
	c := follower{size: len(l.partial), open: l.pieces > 0, binary: l.binary, closed: l.closed}
	for i := range p.Lines {
		line := &p.Lines[i]
		if !line.IsLog() {
			continue
		}
		if n > l.received {
			if err := c.check(line, maxMessage); err != nil {
				return err
			}
		}
		n++
	}
	return nil
}

// follower is what the next line must agree with.
type follower struct {
	size   int  // bytes of the message so far
	open   bool // the message goes on
	binary bool
	closed bool
}

func (c *follower) check(line *wire.Line, maxMessage int) error {
	isClose, isBinary := line.Kind == wire.ControlLine, line.Kind == wire.BinaryLine
	if isClose {
		if err := checkClose(line); err != nil {
			return err
		}
	}
	switch {
	case c.closed:
		return malformed("a line after !close")
	case c.open && (isClose || c.binary != isBinary):
		return malformed("a piece continued by another type") // HF1-BAT-09
	}
	c.size += len(line.Body)
	if c.size > maxMessage && !isClose {
		return &wire.ProtocolError{Code: transport.CodeWindow, Detail: "a message above maxMessage"}
	}
	if !line.More {
		c.size = 0
	}
	c.open, c.binary, c.closed = line.More, isBinary, isClose
	return nil
}

func malformed(detail string) error {
	return &wire.ProtocolError{Code: transport.CodeMalformed, Detail: detail}
}

// checkClose holds a !close to the codes that end a session and to the bound of its reason
// (HF1-CLO-01).
func checkClose(line *wire.Line) error {
	var c wire.Close
	if err := wire.DecodeControl(*line, &c); err != nil {
		return err
	}
	if c.Code < 4100 || c.Code > 4399 || len(c.Reason) > wire.MaxReason {
		return malformed("close: code or reason out of bounds (HF1-CLO-01)")
	}
	return nil
}

func (l *ReceiveLog) take(line *wire.Line, n uint64) error {
	if line.Kind == wire.ControlLine {
		var c wire.Close
		if err := wire.DecodeControl(*line, &c); err != nil {
			return err
		}
		l.closed = true
		l.push(Received{Number: n, Close: &c})
		return nil
	}
	l.held += int64(len(line.Body) + lineCost)
	l.binary = line.Kind == wire.BinaryLine
	if line.More {
		l.partial = append(l.partial, line.Body...)
		l.pieces++
		return nil
	}
	var data []byte
	if l.pieces > 0 {
		data = append(l.partial, line.Body...)
	} else {
		data = append(make([]byte, 0, len(line.Body)), line.Body...)
	}
	cost := int64(len(data)) + lineCost*int64(l.pieces+1)
	l.push(Received{Data: data, Binary: l.binary, Number: n, cost: cost})
	l.partial, l.pieces = nil, 0
	return nil
}

func (l *ReceiveLog) push(r Received) {
	if l.queue == nil {
		l.queue = l.one[:0]
	}
	if l.head > len(l.queue)/2 { // what was given out makes room first
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.messages++
	before := cap(l.queue)
	l.queue = append(l.queue, r)
	if now := cap(l.queue); now != before { // a new array
		l.room = uint32(now)
	}
	l.payload += int64(cap(r.Data))
}

// Waiting tells whether the application has something to take.
func (l *ReceiveLog) Waiting() bool { return l.head < len(l.queue) }

// CloseIsNext tells whether the next thing to take is the peer's !close.
func (l *ReceiveLog) CloseIsNext() bool { return l.Waiting() && l.queue[l.head].Close != nil }

// Pop gives the next message, or the peer's !close, to the application. It counts as taken with
// Done.
func (l *ReceiveLog) Pop() (Received, bool) {
	if !l.Waiting() {
		return Received{}, false
	}
	r := l.queue[l.head]
	l.queue[l.head] = Received{}
	l.given = r.Number
	if l.head++; l.head == len(l.queue) {
		l.queue, l.head, l.room = nil, 0, 0 // an idle session keeps no queue
	}
	return r, true
}

// Discard drops what is waiting: the session has ended, and its final word says that this was not
// delivered (HF1-CLO-05).
func (l *ReceiveLog) Discard() {
	l.queue, l.head, l.room, l.payload = nil, 0, 0, 0
	l.partial, l.pieces = nil, 0
}

// Done records that the application has taken r: only this moves the ack.
func (l *ReceiveLog) Done(r Received) {
	l.taken = r.Number
	l.held -= r.cost
	l.takenSize += r.cost
	l.payload = max(l.payload-int64(cap(r.Data)), 0) // what was discarded is not booked any more
}

// AckOwed tells whether the ack has moved since it was last written.
func (l *ReceiveLog) AckOwed() bool { return l.taken != l.ackSent }

// AckDue tells whether 32 lines or a quarter of the window are taken and not acknowledged
// (HF1-NUM-11).
func (l *ReceiveLog) AckDue(window int64) bool {
	return l.taken-l.ackSent >= 32 || l.takenSize >= window/4
}

// NoteAckSent records that the ack was written on an attachment that counts.
func (l *ReceiveLog) NoteAckSent() { l.ackSent, l.takenSize = l.taken, 0 }

// ForgetAckSent is called when nothing proves that the last ack arrived: it is sent again.
func (l *ReceiveLog) ForgetAckSent() { l.ackSent = 0 }
