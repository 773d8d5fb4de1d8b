package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// update lets the machine see an event, and does what it asks for then.
func (s *Session) update(event func(now time.Time)) {
	s.mu.Lock()
	event(time.Now())
	e := s.collect()
	s.mu.Unlock()
	s.perform(e)
}

// collect reads what an event has brought about. It is called under the lock after every event, and
// its result is performed without it.
func (s *Session) collect() effects {
	e := s.runtime.take()
	ended := s.core.Ended()
	if ended && !s.endNoted {
		s.endNoted, e.ended = true, true
		if s.done == nil {
			s.done = closedChan
		} else {
			close(s.done)
		}
	}
	s.wakeWaiters(ended)
	if s.full && s.onWritable != nil {
		if buffer, _ := s.core.Bounds(); ended || s.core.Buffered() <= buffer/2 {
			s.full, e.writable = false, s.onWritable
		}
	}
	if !s.delivering && s.deliverable() {
		s.delivering, e.deliver = true, true
	}
	return e
}

// wakeWaiters wakes those for whom something has changed: waiters are rare. Under the lock.
func (s *Session) wakeWaiters(ended bool) {
	if s.room != nil && (ended || s.core.Closing() || s.core.Acked() != s.acked) {
		close(s.room)
		s.room = nil
	}
	if s.arrival != nil && (ended || s.core.Waiting()) {
		close(s.arrival)
		s.arrival = nil
	}
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// perform does what collect has read.
func (s *Session) perform(e effects) {
	s.runtime.do(e)
	if e.writable != nil {
		e.writable()
	}
	if e.deliver { // delivering is set, so nobody else touches deliverer
		if s.deliverer == nil {
			s.deliverer = s.deliver
		}
		go s.deliverer()
	}
}

// deliverable: there is something for the callbacks. Under the lock.
func (s *Session) deliverable() bool {
	waiting := s.core.Waiting()
	if waiting && (s.onMessage != nil || s.core.CloseIsNext()) {
		return true
	}
	return s.onClose != nil && !s.closeTold && !waiting && s.core.Ended()
}

// deliver runs the callbacks until there is nothing to deliver. One goroutine at a time: delivering
// is set.
func (s *Session) deliver() {
	s.mu.Lock()
	for s.deliverable() {
		if s.onMessage == nil && !s.core.CloseIsNext() || !s.core.Waiting() {
			s.closeTold = true
			f, end := s.onClose, s.endOf()
			s.mu.Unlock()
			s.tellClose(f, end)
			s.mu.Lock()
			continue
		}
		r, _ := s.core.Pop()
		taken := true
		if r.Close == nil {
			f := s.onMessage
			s.mu.Unlock()
			if taken = s.tellMessage(f, messageOf(r)); taken {
				s.runtime.counted(ObservedUp)
			}
			s.mu.Lock()
		}
		if taken {
			s.core.Taken(r, time.Now())
		} else {
			s.core.End(transport.CodeContinuity, "panic")
		}
		e := s.collect()
		s.mu.Unlock()
		s.perform(e)
		s.mu.Lock()
	}
	s.delivering = false
	s.mu.Unlock()
}
