package clientmachine

import (
	"testing"
	"time"
)

// A host that was suspended while a ping was in flight may read the pong hours later. Timeouts must
// not become that long (HF1-LIV-06).
func TestRoundTripIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	m := New(Config{})
	m.ponged(&attachment{ping: pingState{i: 1, at: now}}, 1, now.Add(time.Hour))
	if rtt := m.liveness.rtt; rtt == 0 || rtt > maxRTT {
		t.Errorf("the round trip is %s, want at most %s", rtt, maxRTT)
	}
}
