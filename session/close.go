package session

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Close ends the session: everything sent before is delivered first. It waits for that until ctx
// ends, and returns nil if the fate of every message is known, else an [*EndError]. Calls after the
// first wait for the same end. A client gives up when nothing was confirmed for 10 s; a server,
// RegistryConfig.CloseGrace after the call.
func (s *Session) Close(ctx context.Context) error { return s.CloseWith(ctx, transport.CodeDone, "") }

// CloseWith is Close with a code and a reason for the peer. Errors beside those of Close:
// [ErrCloseCode], [ErrCloseReason].
func (s *Session) CloseWith(ctx context.Context, code transport.Code, reason string) error {
	if err := s.EndWith(code, reason); err != nil {
		return err
	}
	select {
	case <-s.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if e := s.endOf(); !e.Exact {
			return &EndError{e}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// EndWith begins CloseWith without waiting. Errors: [ErrCloseCode], [ErrCloseReason]; then nothing
// has happened.
func (s *Session) EndWith(code transport.Code, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	s.update(func(now time.Time) { s.core.Close(code, reason, now) })
	s.runtime.closedLocally()
	return nil
}

// Abort ends the session at once: nothing is sent any more, and what was sent and not delivered, or
// waits for Receive, is dropped. [End] tells exact fates if everything that had gone out was known to
// be taken. A server's client is told; a client's server finds out when it hears nothing for ttl.
// Errors: those of EndWith.
func (s *Session) Abort(code transport.Code, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	s.update(func(time.Time) { s.core.End(code, reason) })
	s.runtime.closedLocally()
	return nil
}

func checkClose(code transport.Code, reason string) error {
	switch {
	case code < 4100 || code > 4399:
		return ErrCloseCode
	case len(reason) > wire.MaxReason || !utf8.ValidString(reason):
		return ErrCloseReason
	}
	return nil
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.core.Ended() {
			close(s.done)
		}
	}
	return s.done
}
