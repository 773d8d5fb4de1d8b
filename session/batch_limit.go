package session

const (
	batchFloor    = 512
	maxBatchBound = 1 << 20
)

// batchLimit is the size of the batches that a transport is given (HF1-ATT-07). It is halved when a path dies with a batch under way, and grows
// by a sixteenth with each full batch that arrives. The zero value is no limit but the largest batch of the protocol.
type batchLimit struct {
	size int // 0: never halved
	sure int // as it was when the round trip was last measured, or after a refusal since
}

func (l *batchLimit) bytes() int {
	if l.size == 0 {
		return maxBatchBound
	}
	return max(l.size, batchFloor)
}

// underway is the largest batch of a path that is not known to have arrived.
type underway struct {
	size int
	to   uint64 // its last line; 0: none
}

// wrote books a batch that ended with line to. One of the same size does not take the place of the first, or a flow that never pauses would
// never see any arrive.
func (u *underway) wrote(size int, to uint64) {
	if size > u.size {
		u.size, u.to = size, to
	}
}

// lost: the path has died, or the batch is known not to have arrived.
func (l *batchLimit) lost(u *underway) {
	if u.size > batchFloor {
		l.size = u.size / 2
	}
	*u = underway{}
}

// refused: the network has said, by an answer or a reset, that it does not take the batch or what carries it.
func (l *batchLimit) refused(u *underway) {
	if u.size > batchFloor {
		l.sure = u.size / 2
	}
	l.lost(u)
}

// ponged: the round trip was measured. What was lost since the last time, while it was given too little time, says nothing of sizes.
func (l *batchLimit) ponged(tooLittle bool) {
	if tooLittle {
		l.size = l.sure
	}
	l.sure = l.size
}

// arrived: the peer has lines up to n.
func (l *batchLimit) arrived(u *underway, n uint64) {
	if u.to == 0 || n < u.to {
		return
	}
	if l.size > 0 && u.size > l.size/2 {
		l.size += l.size / 16
	}
	*u = underway{}
}
