package session

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

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

// tellMessage gives the application a message. False: it panicked, and has not taken it.
func (s *Session) tellMessage(f func(Message), m Message) (taken bool) {
	defer func() {
		if !taken {
			s.recovered("OnMessage", recover())
		}
	}()
	f(m)
	return true
}

// tellClose tells the application of the end.
func (s *Session) tellClose(f func(End), e End) {
	returned := false
	defer func() {
		if !returned {
			s.recovered("OnClose", recover())
		}
	}()
	f(e)
	returned = true
}

// recovered hands on what a callback panicked with; nil: it has ended its goroutine.
func (s *Session) recovered(callback string, value any) {
	if value != nil {
		s.runtime.panicked(callback, value)
	}
}

func logPanic(l *slog.Logger, id, callback string, value any) {
	l.Error("session: a callback panicked, its session has ended", "callback", callback, "session", id,
		"panic", value, "stack", string(debug.Stack()))
}
