package wire

// What a packet keeps from one batch for the next: enough for a batch of default size, not for the
// largest there is.
const (
	keptLines   = 1024
	keptScratch = 64 << 10
)

// Packet is a parsed batch. One packet is used for many batches, one after the other, so that
// reading allocates nothing.
type Packet struct {
	First, Ack uint64 // the head's
	Lines      []Line // controls and log lines, in order
	Logs       int    // how many of the lines are log lines

	scratch []byte // unescaped and decoded bodies
}

func (p *Packet) reset() {
	p.First, p.Ack, p.Logs = 0, 0, 0
	p.Lines = p.Lines[:0]
	p.scratch = p.scratch[:0]
	if cap(p.Lines) > keptLines {
		p.Lines = nil
	}
	if cap(p.scratch) > keptScratch {
		p.scratch = nil
	}
}

// room returns the scratch's free end with at least n bytes of capacity. The first use makes room
// for all that the batch can still hold, since no body is longer than its line: so the scratch does
// not move under bodies already there.
func (p *Packet) room(n, rest int) []byte {
	if cap(p.scratch)-len(p.scratch) < n {
		p.scratch = make([]byte, 0, n+rest)
	}
	return p.scratch[len(p.scratch):]
}
