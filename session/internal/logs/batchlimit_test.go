package logs

import "testing"

// An attachment that is never idle has a batch in flight at every ack. Its limit must grow all the
// same (HF1-ATT-07).
func TestBatchLimitGrowsWhileNeverIdle(t *testing.T) {
	l := BatchLimit{size: 2 * MinBatchLimit}
	var u InFlight
	const batches = 32
	for n := uint64(1); n <= batches; n++ {
		u.Wrote(l.size, n)
		l.Acknowledged(&u, n-1) // the ack is always one batch behind
	}
	if l.size < 4*MinBatchLimit {
		t.Errorf("the limit is %d after %d batches, want at least %d", l.size, batches, 4*MinBatchLimit)
	}
}

// A batch that had too little time to arrive is no reason for smaller batches. What was lost before
// counts (HF1-ATT-07).
func TestBatchLimitForgetsLossesOfShortTimeouts(t *testing.T) {
	l := BatchLimit{}
	lose := func(size int) { l.Lost(&InFlight{size: size, to: 1}) }
	lose(4096)
	l.Measured(false)
	l.Refused(&InFlight{size: 4000, to: 1})
	lose(2048)
	l.Measured(true)
	if l.size != 2000 {
		t.Errorf("the limit is %d after a loss, a refusal of 4,000 bytes, and a loss that does not count; want 2,000",
			l.size)
	}
}
