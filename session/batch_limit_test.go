package session

import "testing"

// A path that is never idle has a batch under way at every ack; its limit must grow all the same (HF1-ATT-07).
func TestBatchLimitGrowsUnderAFlowThatNeverPauses(t *testing.T) {
	l := batchLimit{size: 2 * batchFloor}
	var u underway
	const batches = 32
	for n := uint64(1); n <= batches; n++ {
		u.wrote(l.size, n)
		l.arrived(&u, n-1) // the ack is always one batch behind
	}
	if l.size < 4*batchFloor {
		t.Errorf("the limit is %d after %d batches, want at least %d", l.size, batches, 4*batchFloor)
	}
}

// What was lost while it was given too little time is no reason for smaller batches; what was lost before counts (HF1-ATT-07).
func TestBatchLimitForgetsWhatWasGivenTooLittleTime(t *testing.T) {
	l := batchLimit{}
	lose := func(size int) { l.lost(&underway{size: size, to: 1}) }
	lose(4096)
	l.ponged(false)
	l.refused(&underway{size: 4000, to: 1})
	lose(2048)
	l.ponged(true)
	if l.size != 2000 {
		t.Errorf("the limit is %d after a loss, a refusal of 4,000 bytes, and another loss that says nothing; want 2,000", l.size)
	}
}
