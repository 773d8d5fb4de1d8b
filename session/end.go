package session

import (
	"fmt"

	"github.com/holdfast-rt/holdfast/transport"
)

// End tells how a session ended, and the fate of what this side sent (HF1-CLO-05).
type End struct {
	// Code is the close code; its hundred tells whether a new session is welcome.
	Code transport.Code
	// Reason is the words of whoever ended it.
	Reason string
	// Remote says that the peer ended it.
	Remote bool
	// Sent is the number of the last message sent.
	Sent uint64
	// Delivered is the highest number that the peer's application is known to have taken: every message up to it was delivered.
	Delivered uint64
	// Exact says that every message above Delivered was not delivered. Otherwise their fate is unknown.
	Exact bool
}

// EndError is the error of calls on a session that has ended.
type EndError struct{ End }

func (e *EndError) Error() string {
	return fmt.Sprintf("session: ended %d %q (delivered %d of %d)", e.Code, e.Reason, e.Delivered, e.Sent)
}

// endOf reads the end. Under the lock.
func (s *Session) endOf() End {
	out, _ := s.m.logs()
	e := s.m.ended()
	if e == nil {
		return End{Code: transport.CodeDone, Sent: out.last(), Delivered: out.base}
	}
	end := End{Code: e.code, Reason: e.reason, Remote: e.remote, Sent: out.last(), Delivered: out.base}
	if s.client != nil && e.known { // the peer's final word; a server has none, since its client's last acks may be lost
		end.Delivered, end.Exact = max(out.base, min(e.recv, out.last())), true
	}
	if out.closing != 0 && end.Sent == out.closing {
		end.Sent--
		end.Delivered = min(end.Delivered, end.Sent)
	}
	if end.Delivered == end.Sent {
		end.Exact = true
	}
	return end
}

func (s *Session) endError() error { return &EndError{s.endOf()} }
