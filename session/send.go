package session

import (
	"context"
	"errors"
	"time"
)

// Send copies the message into the log and returns its number. It waits while the log is full,
// until ctx ends: that abandons the wait, never the session. Errors: [ErrTooLarge], [ErrNotText],
// ctx's, and an [*EndError] when the session has ended or this side has closed it. A server that
// keeps all it may (RegistryConfig.MaxRetained) returns [ErrServerFull] at once.
func (s *Session) Send(ctx context.Context, m Message) (uint64, error) {
	p, err := s.prepare(m)
	if err != nil {
		return 0, err
	}
	for {
		n, wait, err := s.trySend(&p, true)
		if wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// TrySend is Send that does not wait: at the bound it returns [ErrFull].
func (s *Session) TrySend(m Message) (uint64, error) {
	p, err := s.prepare(m)
	if err != nil {
		return 0, err
	}
	n, _, err := s.trySend(&p, false)
	return n, err
}

// largeMessage is the size from which on it is asked first whether a message may be sent at all.
const largeMessage = 4 << 10

// prepare encodes a message, unless it is large and would be refused.
func (s *Session) prepare(m Message) (prepared, error) {
	if len(m.Data) >= largeMessage {
		s.mu.Lock()
		_, maxMessage := s.core.Bounds()
		var err error
		if s.isClosing() {
			err = s.endError()
		} else if len(m.Data) > maxMessage {
			err = ErrTooLarge
		}
		s.mu.Unlock()
		if err != nil {
			return prepared{}, err
		}
	}
	return prepare(m)
}

// trySend appends a message if there is room. If there is none, and the caller wants to wait, wait
// is closed when there may be.
func (s *Session) trySend(p *prepared, mayWait bool) (n uint64, wait <-chan struct{}, err error) {
	s.mu.Lock()
	if err := s.refuses(p); err != nil {
		if mayWait && errors.Is(err, ErrFull) {
			wait, err = s.waitForRoom(), nil
		}
		s.mu.Unlock()
		return 0, wait, err
	}
	n = s.core.Send(p.lines, time.Now())
	e := s.collect()
	s.mu.Unlock()
	s.perform(e)
	s.runtime.counted(ObservedDown)
	return n, nil, nil
}

// refuses tells why a message cannot be sent now. The oldest message always has room. Under the
// lock.
func (s *Session) refuses(p *prepared) error {
	buffer, maxMessage := s.core.Bounds()
	buffered := s.core.Buffered()
	switch {
	case s.isClosing():
		return s.endError()
	case p.size > maxMessage:
		return ErrTooLarge
	case !s.runtime.admits():
		return ErrServerFull
	case buffered > 0 && buffered+p.lines.Cost() > buffer:
		s.full = true
		return ErrFull
	}
	return nil
}

// isClosing: nothing more can be sent. Under the lock.
func (s *Session) isClosing() bool {
	return s.core.Ended() || s.core.Closing()
}

// waitForRoom is closed when there may be room. Under the lock.
func (s *Session) waitForRoom() <-chan struct{} {
	if s.room == nil {
		s.room = make(chan struct{})
		s.acked = s.core.Acked()
	}
	return s.room
}

// Drained waits until the peer has taken every message sent so far. Errors: ctx's, and an
// [*EndError] if the session ends before.
func (s *Session) Drained(ctx context.Context) error {
	s.mu.Lock()
	last := s.core.Sent()
	for {
		var err error
		var wait <-chan struct{}
		switch {
		case s.core.Acked() >= last:
		case s.core.Ended():
			err = s.endError()
		default:
			wait = s.waitForRoom()
		}
		s.mu.Unlock()
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
	}
}

// Buffered is how many bytes were sent and are not acknowledged: payload and 16 for each line.
func (s *Session) Buffered() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Buffered()
}

// OnWritable has f called whenever the buffer is half empty again after a Send or TrySend has found
// it full. f must not block; it may be called by several goroutines at once.
func (s *Session) OnWritable(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWritable = f
}
