package session

// State is what a session is doing, for people and metrics.
type State string

// The states of a session.
const (
	StateConnecting State = "connecting" // a client's, before it is open
	StateAttached   State = "attached"   // a path carries it
	StateDetached   State = "detached"   // no path carries it at this moment
	StateClosing    State = "closing"    // an end was asked for, and its last messages are under way
	StateEnded      State = "ended"
)

// State tells what the session is doing at this moment.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, _ := s.m.logs()
	switch {
	case s.m.ended() != nil:
		return StateEnded
	case out.closing != 0:
		return StateClosing
	case s.m.transport() != "":
		return StateAttached
	case s.client != nil && s.client.m.run == "":
		return StateConnecting
	}
	return StateDetached
}

// Ended tells how the session ended; false: it has not.
func (s *Session) Ended() (End, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m.ended() == nil {
		return End{}, false
	}
	return s.endOf(), true
}

// Origin is the Origin of the request that created a server's session, "" if it had none, and every client's.
func (s *Session) Origin() string {
	if s.server == nil {
		return ""
	}
	return s.server.origin
}

// count tells the table of n messages that went up or down.
func (s *Session) count(what string) {
	if s.table != nil && s.table.cfg.Observe != nil {
		s.table.cfg.Observe(Observation{What: what, N: 1})
	}
}
