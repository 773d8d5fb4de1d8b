package session

import (
	"container/heap"
	"sync"
	"time"
	"unsafe"
)

// clock wakes many sessions at their deadlines. It spreads them over heaps that have a lock each.
type clock struct{ heaps [8]timers }

// timers wakes many sessions with one timer: a heap of the time at which each wants to look at its
// deadlines. A session whose deadline moves later is not moved: it is woken early, looks, and goes
// back. So an event costs a comparison, and an idle session no timer.
type timers struct {
	mu    sync.Mutex
	heap  timerHeap
	timer *time.Timer
	next  time.Time // when timer rings; zero: it does not
}

// timerEntry is a session's place in a heap.
type timerEntry struct {
	at      time.Time // zero: not in the heap
	index   int
	session interface{ tick(now time.Time) }
}

type timerHeap []*timerEntry

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *timerHeap) Push(x any) {
	e := x.(*timerEntry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *timerHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}

func (c *clock) of(e *timerEntry) *timers {
	return &c.heaps[uintptr(unsafe.Pointer(e))>>10%uintptr(len(c.heaps))]
}

// set has a session look at its deadlines at due, or before.
func (c *clock) set(e *timerEntry, due time.Time) {
	if due.IsZero() {
		return
	}
	ts := c.of(e)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	switch {
	case e.index < 0: // stopped
		return
	case e.at.IsZero():
		e.at = due
		heap.Push(&ts.heap, e)
	case due.Before(e.at):
		e.at = due
		heap.Fix(&ts.heap, e.index)
	default:
		return
	}
	ts.arm()
}

// stop takes an ended session out.
func (c *clock) stop(e *timerEntry) {
	ts := c.of(e)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !e.at.IsZero() {
		heap.Remove(&ts.heap, e.index)
		e.at = time.Time{}
	}
	e.index = -1
	if len(ts.heap) == 0 && ts.timer != nil { // leaves nothing behind
		ts.timer.Stop()
		ts.next = time.Time{}
	}
}

// arm sets the timer to the earliest session. Under the lock.
func (ts *timers) arm() {
	if len(ts.heap) == 0 {
		return
	}
	at := ts.heap[0].at
	if !ts.next.IsZero() && !at.Before(ts.next) {
		return
	}
	ts.next = at
	wait := max(time.Until(at), time.Millisecond)
	if ts.timer == nil {
		ts.timer = time.AfterFunc(wait, ts.ring)
		return
	}
	ts.timer.Reset(wait)
}

// ring lets every session that is due look at its deadlines.
func (ts *timers) ring() {
	now := time.Now()
	var due []*timerEntry
	ts.mu.Lock()
	ts.next = time.Time{}
	for len(ts.heap) > 0 && !ts.heap[0].at.After(now) {
		e := heap.Pop(&ts.heap).(*timerEntry)
		e.at, e.index = time.Time{}, 0
		due = append(due, e)
	}
	ts.arm()
	ts.mu.Unlock()
	for _, e := range due {
		e.session.tick(now)
	}
}
