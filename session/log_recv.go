package session

import "github.com/holdfast-rt/holdfast/transport"

// Message is one message from the peer.
type Message struct {
	// Data belongs to the receiver. It is UTF-8 if Binary is false.
	Data []byte
	// Binary tells a binary message from a text.
	Binary bool
	// Number is its place in the peer's log (of its last line). With the session's id it makes an idempotency key.
	Number uint64
}

// received is a message, or the peer's !close, that waits for the application.
type received struct {
	Message
	close *closeControl
	lines uint64 // lines it took, for the ack rule
	cost  int64
}

// recvLog puts the peer's lines together again: in order, once, whole (HF1-NUM-02).
type recvLog struct {
	recv  uint64 // highest number received without a gap
	taken uint64 // highest number the application has taken: the ack
	given uint64 // highest number handed to the application; it may not have finished with it
	queue []received
	head  int         // queue[head:] is waiting
	one   [1]received // room for the common queue of one message

	partial []byte // pieces of a message that is not whole
	pieces  uint64
	binary  bool
	closed  bool  // the peer's !close was received
	held    int64 // window bytes received and not taken

	told      uint64 // the ack that was last written
	takenSize int64  // window bytes taken since then
}

// accept takes the log lines of a batch. gap: the batch starts beyond the next number, and nothing of it was taken.
func (l *recvLog) accept(p *packet) (fresh int, gap bool, err error) {
	if p.first > l.recv+1 {
		return 0, true, nil
	}
	n := p.first
	for i := range p.lines {
		ln := &p.lines[i]
		if !ln.isLog() {
			continue
		}
		if n > l.recv {
			if err := l.take(ln, n); err != nil {
				return fresh, false, err
			}
			l.recv = n
			fresh++
		}
		n++
	}
	return fresh, false, nil
}

// check tells whether accept would fail, so that a batch is refused whole (HF1-BAT-01).
func (l *recvLog) check(p *packet, maxMessage int) error {
	if p.first > l.recv+1 {
		return nil
	}
	n, size, open, binary, closed := p.first, len(l.partial), l.pieces > 0, l.binary, l.closed
	for i := range p.lines {
		ln := &p.lines[i]
		if !ln.isLog() {
			continue
		}
		if n > l.recv {
			if ln.kind == lineControl {
				if err := checkClose(ln); err != nil {
					return err
				}
			}
			switch {
			case closed:
				return &ProtocolError{transport.CodeMalformed, "a line after !close"}
			case open && (ln.kind == lineControl || binary != (ln.kind == lineBinary)):
				return &ProtocolError{transport.CodeMalformed, "a piece continued by another type"} // HF1-BAT-09
			}
			size += len(ln.body)
			if size > maxMessage && ln.kind != lineControl {
				return &ProtocolError{transport.CodeWindow, "a message above maxMessage"}
			}
			if !ln.more {
				size = 0
			}
			open, binary, closed = ln.more, ln.kind == lineBinary, ln.kind == lineControl
		}
		n++
	}
	return nil
}

// checkClose holds a !close to the codes that end a session and to its reason's bound (HF1-CLO-01).
func checkClose(ln *line) error {
	var c closeControl
	if err := decodeControl(*ln, &c); err != nil {
		return err
	}
	if c.Code < 4100 || c.Code > 4399 || len(c.Reason) > maxReason {
		return &ProtocolError{transport.CodeMalformed, "close: code or reason out of bounds (HF1-CLO-01)"}
	}
	return nil
}

func (l *recvLog) take(ln *line, n uint64) error {
	if ln.kind == lineControl {
		var c closeControl
		if err := decodeControl(*ln, &c); err != nil {
			return err
		}
		l.closed = true
		l.push(received{Message: Message{Number: n}, close: &c, lines: 1})
		return nil
	}
	cost := int64(len(ln.body) + lineCost)
	l.held += cost
	l.binary = ln.kind == lineBinary
	if ln.more {
		l.partial = append(l.partial, ln.body...)
		l.pieces++
		return nil
	}
	var data []byte
	if l.pieces > 0 {
		data = append(l.partial, ln.body...)
	} else {
		data = append(make([]byte, 0, len(ln.body)), ln.body...)
	}
	lines := l.pieces + 1
	l.push(received{Message: Message{Data: data, Binary: l.binary, Number: n}, lines: lines, cost: int64(len(data)) + lineCost*int64(lines)})
	l.partial, l.pieces = nil, 0
	return nil
}

func (l *recvLog) push(r received) {
	if l.queue == nil {
		l.queue = l.one[:0]
	}
	if l.head > len(l.queue)/2 { // what was handed out makes room first
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.queue = append(l.queue, r)
}

// waiting tells whether the application has something to take.
func (l *recvLog) waiting() bool { return l.head < len(l.queue) }

// pop hands the next message, or the peer's !close, to the application. It counts as taken with done.
func (l *recvLog) pop() (received, bool) {
	if !l.waiting() {
		return received{}, false
	}
	r := l.queue[l.head]
	l.queue[l.head] = received{}
	l.given = r.Number
	if l.head++; l.head == len(l.queue) {
		l.queue, l.head = nil, 0 // an idle session keeps no queue
	}
	return r, true
}

// discard drops what is waiting: the session has ended, and its final word says that this was not delivered (HF1-CLO-05).
func (l *recvLog) discard() { l.queue, l.head, l.partial, l.pieces = nil, 0, nil, 0 }

// done records that the application has taken r: only this moves the ack.
func (l *recvLog) done(r received) {
	l.taken = r.Number
	l.held -= r.cost
	l.takenSize += r.cost
}

// acked records that the ack was written on a path that counts.
func (l *recvLog) acked() { l.told, l.takenSize = l.taken, 0 }

// ackDue: 32 lines or a quarter of the window are taken and not acknowledged (HF1-NUM-11).
func (l *recvLog) ackDue(win int64) bool {
	return l.taken-l.told >= 32 || l.takenSize >= win/4
}
