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
