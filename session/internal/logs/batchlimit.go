package logs

// Bounds of the size of a batch, in bytes.
const (
	// MinBatchLimit is the size below which no network makes batches smaller.
	MinBatchLimit = 512
	// MaxBatch is the largest batch of the protocol.
	MaxBatch = 1 << 20
)

// BatchLimit is the size of the batches that a transport is given (HF1-ATT-07). It is halved when
// an attachment ends with a batch in flight, and grows by a sixteenth with each full batch that
// arrives. The zero value is no limit but the largest batch of the protocol.
type BatchLimit struct {
	size          int // 0: never halved
	confirmedSize int // as it was when the round trip was last measured, or after a refusal since
}

// Bytes is the largest batch to send.
func (l *BatchLimit) Bytes() int {
	if l.size == 0 {
		return MaxBatch
	}
	return max(l.size, MinBatchLimit)
}

// Size is what is remembered of the limit; 0: it was never halved.
func (l *BatchLimit) Size() int { return l.size }

// Restore takes up what was remembered.
func (l *BatchLimit) Restore(size int) { l.size, l.confirmedSize = size, size }

// InFlight is the largest batch of an attachment that is not known to have arrived.
type InFlight struct {
	size int
	to   uint64 // its last line; 0: none
}

// Wrote books a batch that ended with line to. One of the same size does not take the place of the
// first: a flow that never pauses would never see any arrive.
func (f *InFlight) Wrote(size int, to uint64) {
	if size > f.size {
		f.size, f.to = size, to
	}
}

// To is the last line of the batch in flight, 0 if there is none.
func (f *InFlight) To() uint64 { return f.to }

// Lost is called when the attachment has ended, or the batch is known not to have arrived.
func (l *BatchLimit) Lost(f *InFlight) {
	if f.size > MinBatchLimit {
		l.size = f.size / 2
	}
	*f = InFlight{}
}

// Refused is called when the network has said, by an answer or a reset, that it does not take the
// batch or what carries it.
func (l *BatchLimit) Refused(f *InFlight) {
	if f.size > MinBatchLimit {
		l.confirmedSize = f.size / 2
	}
	l.Lost(f)
}

// Measured is called when the round trip was measured. What was lost since the last time, while it
// was given too little time, says nothing of sizes.
func (l *BatchLimit) Measured(tooLittleTime bool) {
	if tooLittleTime {
		l.size = l.confirmedSize
	}
	l.confirmedSize = l.size
}

// Acknowledged is called when the peer has the lines up to n.
func (l *BatchLimit) Acknowledged(f *InFlight, n uint64) {
	if f.to == 0 || n < f.to {
		return
	}
	if l.size > 0 && f.size > l.size/2 {
		l.size += l.size / 16
	}
	*f = InFlight{}
}
