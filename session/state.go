package session

// State is what a session is doing, for people and metrics. The browser's client has the same
// states.
type State string

// The states of a session.
const (
	// StateConnecting: no transport carries it, for the first time or again.
	StateConnecting State = "connecting"
	// StateOpen: a transport carries it.
	StateOpen State = "open"
	// StateClosing: this side has closed it, and its last messages are in flight.
	StateClosing State = "closing"
	// StateClosed: it has ended.
	StateClosed State = "closed"
)

// State tells what the session is doing at this moment.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.core.Ended():
		return StateClosed
	case s.core.Closing():
		return StateClosing
	case s.core.Transport() != "":
		return StateOpen
	}
	return StateConnecting
}

// endOf reads the end. Of a session that has not ended it has the fates as they are now, and no
// code of its own. Under the lock.
func (s *Session) endOf() End {
	e, _ := s.core.Ending()
	end := End{Code: e.Code, Reason: e.Reason, Remote: e.Remote}
	end.Sent, end.Delivered, end.Exact = s.core.Fate()
	return end
}

func (s *Session) endError() error { return &EndError{s.endOf()} }

// Ended tells how the session ended; false: it has not.
func (s *Session) Ended() (End, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.core.Ended() {
		return End{}, false
	}
	return s.endOf(), true
}
