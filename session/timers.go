package session

import (
	"container/heap"
	"sync"
	"time"
	"unsafe"
)

// timers wakes many sessions with one clock: a heap of the time at which each wants to look at its deadlines. A session whose deadline moves
// later is not moved: it is woken early, looks, and goes back. So an event costs a comparison, and an idle session no timer.
type timers struct {
	mu    sync.Mutex
	heap  timerHeap
	clock *time.Timer
	next  time.Time // when clock rings; zero: it does not
}

// timerEntry is a session's place in the heap.
type timerEntry struct {
	at    time.Time // zero: not in the heap
	index int
	over  bool // the end was booked
}

type timerHeap []*Session

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].timer.at.Before(h[j].timer.at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer.index, h[j].timer.index = i, j
}
func (h *timerHeap) Push(x any) { s := x.(*Session); s.timer.index = len(*h); *h = append(*h, s) }
func (h *timerHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return s
}

// timersOf spreads sessions over the heaps.
func (t *Table) timersOf(s *Session) *timers {
	return &t.timers[uintptr(unsafe.Pointer(s))>>10%uintptr(len(t.timers))]
}

// setTimer has the session look at its deadlines at due, or before.
func (t *Table) setTimer(s *Session, due time.Time) {
	if due.IsZero() {
		return
	}
	ts := t.timersOf(s)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	switch {
	case s.timer.index < 0: // stopped
		return
	case s.timer.at.IsZero():
		s.timer.at = due
		heap.Push(&ts.heap, s)
	case due.Before(s.timer.at):
		s.timer.at = due
		heap.Fix(&ts.heap, s.timer.index)
	default:
		return
	}
	ts.arm(t)
}

// stopTimer takes an ended session out.
func (t *Table) stopTimer(s *Session) {
	ts := t.timersOf(s)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !s.timer.at.IsZero() {
		heap.Remove(&ts.heap, s.timer.index)
		s.timer.at = time.Time{}
	}
	s.timer.index = -1
	if len(ts.heap) == 0 && ts.clock != nil { // leaves nothing behind
		ts.clock.Stop()
		ts.next = time.Time{}
	}
}

// arm sets the clock to the earliest session. Under the lock.
func (ts *timers) arm(t *Table) {
	if len(ts.heap) == 0 {
		return
	}
	at := ts.heap[0].timer.at
	if !ts.next.IsZero() && !at.Before(ts.next) {
		return
	}
	ts.next = at
	wait := max(time.Until(at), time.Millisecond)
	if ts.clock == nil {
		ts.clock = time.AfterFunc(wait, func() { ts.ring(t) })
		return
	}
	ts.clock.Reset(wait)
}

// ring lets every session that is due look at its deadlines.
func (ts *timers) ring(t *Table) {
	now := time.Now()
	var due []*Session
	ts.mu.Lock()
	ts.next = time.Time{}
	for len(ts.heap) > 0 && !ts.heap[0].timer.at.After(now) {
		s := heap.Pop(&ts.heap).(*Session)
		s.timer.at, s.timer.index = time.Time{}, 0
		due = append(due, s)
	}
	ts.arm(t)
	ts.mu.Unlock()
	for _, s := range due {
		s.mu.Lock()
		s.server.step(now)
		f := s.settle()
		s.mu.Unlock()
		f.run()
	}
}
