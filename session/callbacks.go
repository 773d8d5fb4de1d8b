package session

import (
	"log/slog"
	"runtime/debug"
)

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
