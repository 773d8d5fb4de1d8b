package clientmachine

import (
	"fmt"
	"testing"
	"time"
	"unsafe"
)

// stepped is t after the wall clock was set back by seconds. The monotonic clock, which a time.Time
// has beside it, is not set.
func stepped(t time.Time, seconds uint64) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // its seconds begin at bit 30
	*wall -= seconds << 30
	return t
}

// A clock that is set back an hour while the session lives changes nothing: what was read from the
// memory, where times are times of day, lasts no longer than it may.
func TestMemoryOutlivesNoStepOfTheClock(t *testing.T) {
	start := time.Now()
	if back := stepped(start, 3600); start.Round(0).Sub(back.Round(0)) != time.Hour || back.Sub(start) != 0 {
		t.Fatalf("stepped makes %v of %v", back, start)
	}
	m := New(Config{
		Transports: []string{"websocket", "longpoll"}, Random: func() float64 { return 0.5 }, Remembers: true,
		Memory: fmt.Appendf(nil, `[1,%d,"longpoll",{"websocket":[%d,3,30000,0,0,0]}]`,
			start.Add(-time.Hour).UnixMilli(), start.Add(5*time.Minute).UnixMilli()),
	})
	m.Start(start)
	socket := m.transports[0]
	if !socket.coolingDown(start.Add(4 * time.Minute)) {
		t.Error("the cooldown was not recalled")
	}
	if socket.coolingDown(stepped(start.Add(6*time.Minute), 3600)) {
		t.Error("a cooldown outlives its time, since the clock was set back")
	}
	if socket.idle != 30*time.Second {
		t.Errorf("the idle gap recalled is %v", socket.idle)
	}
	m.remember(stepped(start.Add(23*time.Hour+time.Minute), 3600))
	if socket.idle != 0 {
		t.Error("what was learned is not forgotten after a day, since the clock was set back")
	}
}
