// Package conformance holds the applications that the conformance suite talks to
// (docs/conformance.md). They have no access control and send what a client asks for: for tests
// only.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// The timers are short, so that a run takes less than two minutes. ping differs from the 5 s of an
// attachment that carries lines (HF1-LIV-01), so that a test can see which of the two was used.
const (
	ping = 8 * time.Second
	hold = 5 * time.Second
	ttl  = 30 * time.Second
)

// Configure makes a server serve the applications, and principals by name.
func Configure(c *server.Config) {
	ends := newEnds()
	c.OnSession = func(s *session.Session) { start(s, ends) }
	c.Authenticate = authenticate
	c.Timers.Ping, c.Timers.Hold, c.Timers.TTL = ping, hold, ttl
	c.Limits.NewSessionsPerSecond = -1 // a run opens hundreds at once
}

// authenticate uses `auth`, a string, as the principal; it refuses "refuse".
func authenticate(_ context.Context, h *server.Handshake) (string, error) {
	if h.Auth == nil {
		return "", nil
	}
	var principal string
	if json.Unmarshal(h.Auth, &principal) != nil || principal == "refuse" {
		return "", errors.New("auth is no principal's")
	}
	return principal, nil
}

// meta selects the application and its behaviour.
type meta struct {
	Conformance string
	Count, Size int
	Binary      bool
	Delay       int // ms
	Code        transport.Code
	Reason      string
	Of          string
}

func start(s *session.Session, ends *ends) {
	s.OnClose(func(e session.End) { ends.add(s.ID(), e) })
	var m meta
	_ = json.Unmarshal(s.Meta(), &m) // anything but an object selects nothing
	switch m.Conformance {
	case "source":
		s.OnMessage(func(session.Message) {})
		go source(s, m)
	case "sink":
		s.OnMessage(new(sink).take(s))
	case "slow":
		s.OnMessage(func(got session.Message) {
			wait(s, time.Duration(m.Delay)*time.Millisecond)
			send(s, got)
		})
	case "close":
		s.OnMessage(func(got session.Message) {
			send(s, got)
			_ = s.EndWith(m.Code, m.Reason) // a code that is none ends nothing
		})
	case "illformed":
		attempt(s, session.Text("\xed\xa0\x80")) // U+D800, as some languages would write it
	case "oversize":
		attempt(s, session.Binary(make([]byte, 1<<20+1)))
	case "report":
		send(s, session.Text(ends.report(m.Of)))
	default:
		s.OnMessage(func(got session.Message) { send(s, got) })
	}
}

// attempt tries to send what must not be sent, and reports the result.
func attempt(s *session.Session, m session.Message) {
	result := "sent"
	if _, err := s.TrySend(m); errors.Is(err, session.ErrNotText) || errors.Is(err, session.ErrTooLarge) {
		result = "refused"
	}
	send(s, session.Text(result))
}

// send waits while the window is full; it fails when the session has ended, and then nobody needs
// the message.
func send(s *session.Session, m session.Message) {
	_, _ = s.Send(context.Background(), m)
}

func wait(s *session.Session, d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.Done():
	}
}
