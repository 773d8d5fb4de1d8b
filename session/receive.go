package session

import (
	"context"
	"time"
)

// Receive returns the next message. It waits until ctx ends: that abandons the wait, never the
// session. A message counts as taken, and is acknowledged, when Receive returns it. After the last
// message of a session that has ended it returns an [*EndError].
func (s *Session) Receive(ctx context.Context) (Message, error) {
	for {
		s.mu.Lock()
		r, ok := s.core.Pop()
		if ok {
			s.core.Taken(r, time.Now())
			e := s.collect()
			s.mu.Unlock()
			s.perform(e)
			if r.Close == nil {
				s.runtime.counted(ObservedUp)
				return messageOf(r), nil
			}
			continue // the peer's !close was taken: what follows is the end
		}
		if s.core.Ended() {
			err := s.endError()
			s.mu.Unlock()
			return Message{}, err
		}
		if s.arrival == nil {
			s.arrival = make(chan struct{})
		}
		wait := s.arrival
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// OnMessage has f called for each message, one at a time, in order, on a goroutine that lives only
// while there is something to deliver. A message counts as taken when f returns. Messages that came
// before OnMessage was called are kept. If f panics, the message counts as not taken, this session
// ends at once with 4202, and the panic is logged (RegistryConfig.Logger, DialConfig.Logger); the
// process goes on.
func (s *Session) OnMessage(f func(Message)) { s.update(func(time.Time) { s.onMessage = f }) }

// OnClose has f called once when the session has ended and its last message was delivered, with
// OnMessage or Receive. While messages wait that nobody takes it is not called: Done tells the end
// at once. A panic of f is logged.
func (s *Session) OnClose(f func(End)) { s.update(func(time.Time) { s.onClose = f }) }
