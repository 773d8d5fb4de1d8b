package session

import (
	"context"
	"time"
)

// Receive returns the next message. It waits until ctx ends: that abandons the wait, never the session. A message counts as taken, and is
// acknowledged, when Receive returns it. After the last message of a session that has ended it returns an [*EndError].
func (s *Session) Receive(ctx context.Context) (Message, error) {
	for {
		s.mu.Lock()
		_, in := s.m.logs()
		r, ok := in.pop()
		if ok {
			s.m.taken(r, time.Now())
			f := s.settle()
			s.mu.Unlock()
			f.run()
			if r.close == nil {
				s.count("up")
				return r.Message, nil
			}
			continue // the peer's !close was taken: what follows is the end
		}
		if s.m.ended() != nil {
			err := s.endError()
			s.mu.Unlock()
			return Message{}, err
		}
		wait := s.waiter()
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// OnMessage has f called for each message, one at a time, in order, on a goroutine that lives only while there is something to deliver. A
// message counts as taken when f returns. Messages that came before OnMessage was called are kept.
// Nobody recovers a panic of f: it ends the process.
func (s *Session) OnMessage(f func(Message)) {
	s.mu.Lock()
	s.onMessage = f
	fl := s.settle()
	s.mu.Unlock()
	fl.run()
}

// OnClose has f called once when the session has ended and its last message was delivered. Nobody recovers a panic of f: it ends the process.
func (s *Session) OnClose(f func(End)) {
	s.mu.Lock()
	s.onClose = f
	fl := s.settle()
	s.mu.Unlock()
	fl.run()
}

// deliverable: there is something for the callbacks. Under the lock.
func (s *Session) deliverable() bool {
	_, in := s.m.logs()
	if in.waiting() && (s.onMessage != nil || in.queue[in.head].close != nil) {
		return true
	}
	return s.m.ended() != nil && s.onClose != nil && !s.closeTold && (!in.waiting() || s.onMessage == nil)
}

// deliver runs the callbacks until there is nothing to deliver. One goroutine at a time: delivering is set.
func (s *Session) deliver() {
	s.mu.Lock()
	for s.deliverable() {
		_, in := s.m.logs()
		r, ok := received{}, false
		if s.onMessage != nil || in.waiting() && in.queue[in.head].close != nil {
			r, ok = in.pop()
		}
		if ok && r.close == nil {
			f := s.onMessage
			s.mu.Unlock()
			f(r.Message)
			s.count("up")
			s.mu.Lock()
		}
		if ok {
			s.m.taken(r, time.Now())
			f := s.settle()
			s.mu.Unlock()
			f.run()
			s.mu.Lock()
			continue
		}
		s.closeTold = true
		f, e := s.onClose, s.endOf()
		s.mu.Unlock()
		f(e)
		s.mu.Lock()
	}
	s.delivering = false
	s.mu.Unlock()
}
