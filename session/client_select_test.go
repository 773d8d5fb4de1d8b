package session

import (
	"testing"
	"time"
)

// A host that was suspended with a ping under way may read the answer hours later: what it waits for after that keeps its bounds (HF1-LIV-06).
func TestRoundTripIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	m := newClientMachine(clientConfig{})
	m.ponged(&clientPath{pingI: 1, pingAt: now}, 1, now.Add(time.Hour))
	if m.rtt == 0 || m.rtt > rttMost {
		t.Errorf("the round trip is %s, want at most %s", m.rtt, rttMost)
	}
}
