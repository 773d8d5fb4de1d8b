package logs

import "testing"

// A reader that is always one message behind must not make the queue grow.
func TestQueueOfALaggingReader(t *testing.T) {
	var l ReceiveLog
	for n := uint64(1); n < 10_000; n++ {
		l.push(Received{Number: n})
		if n > 1 {
			if r, ok := l.Pop(); !ok || r.Number != n-1 {
				t.Fatalf("popped %d, want %d", r.Number, n-1)
			}
		}
	}
	if cap(l.queue) > 8 {
		t.Fatalf("the queue has room for %d messages, and one waits", cap(l.queue))
	}
}
