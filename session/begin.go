package session

import "github.com/holdfast-rt/holdfast/transport"

// begin hands a new session to the application. One that the application did not take, as OnSession panicked, is ended at once: it would be
// found by the client's next open, and nobody would ever read it.
func (s *Session) begin() {
	begun := false
	defer func() {
		if begun {
			return
		}
		s.mu.Lock()
		s.server.finish(ending{code: transport.CodeContinuity})
		f := s.settle()
		s.mu.Unlock()
		f.run()
	}()
	s.mu.Lock()
	due := s.server.deadline
	s.mu.Unlock()
	s.table.setTimer(s, due) // it may be long in coming back
	s.table.cfg.OnSession(s)
	begun = true
}
