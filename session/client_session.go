package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// clientSession is the client's end of a session: it does what the machine asks for.
type clientSession struct {
	Session
	machine *clientmachine.Machine
	cfg     DialConfig
	ctx     context.Context
	stop    context.CancelFunc

	io    sync.Mutex // guards what follows
	conns map[int]*clientConn
	timer *time.Timer
	next  time.Time // when timer rings; zero: it does not
}

func newClientSession(m *clientmachine.Machine, cfg DialConfig) *clientSession {
	ctx, stop := context.WithCancel(context.Background())
	s := &clientSession{machine: m, cfg: cfg, ctx: ctx, stop: stop, conns: map[int]*clientConn{}}
	s.core, s.runtime = m, s
	return s
}

func (s *clientSession) take() effects {
	return effects{client: slices.Clone(s.machine.Effects()), deadline: s.machine.Deadline()}
}

func (s *clientSession) do(e effects) {
	for i := range e.client {
		s.doOne(&e.client[i])
	}
	s.setTimer(e.deadline, e.ended)
}

// doOne does one thing that the machine asks for. It does not block.
func (s *clientSession) doOne(e *clientmachine.Effect) {
	switch e.Kind {
	case clientmachine.Dial:
		s.dial(e)
	case clientmachine.Write:
		if c := s.conn(e.Conn); c != nil {
			c.startWriter()
		}
	case clientmachine.HangUp:
		if c := s.conn(e.Conn); c != nil {
			c.hangUp(e.Code)
		}
	case clientmachine.AskAuth:
		go s.authorize()
	case clientmachine.Traced:
		if s.cfg.Trace != nil {
			s.cfg.Trace(traceOf(e.Trace))
		}
	case clientmachine.Remember:
		s.cfg.Memory.Remember(e.Memory)
	case clientmachine.Over:
		s.stop()
	}
}

// authorize asks the application for credentials. Without them nothing is sent (HF1-ERR-04).
func (s *clientSession) authorize() {
	var auth json.RawMessage
	var err error
	if s.cfg.Auth != nil {
		auth, err = s.cfg.Auth(s.ctx)
	}
	s.update(func(now time.Time) {
		switch {
		case errors.Is(err, ErrAuth):
			s.machine.End(transport.CodeAuth, wire.Shorten(err.Error(), wire.MaxReason))
		case err != nil:
			s.machine.AuthFailed(now)
		case auth != nil && !wire.IsJSON(auth):
			s.machine.End(transport.CodeAuth, "auth is not JSON")
		default:
			s.machine.Authorized(auth, now)
		}
	})
}

// setTimer wakes the machine at due. An earlier wake-up that is planned stays.
func (s *clientSession) setTimer(due time.Time, ended bool) {
	s.io.Lock()
	defer s.io.Unlock()
	switch {
	case ended:
		if s.timer != nil {
			s.timer.Stop()
		}
	case due.IsZero() || !s.next.IsZero() && !due.Before(s.next):
	default:
		s.next = due
		wait := max(time.Until(due), time.Millisecond)
		if s.timer == nil {
			s.timer = time.AfterFunc(wait, s.ring)
			return
		}
		s.timer.Reset(wait)
	}
}

func (s *clientSession) ring() {
	s.io.Lock()
	s.next = time.Time{}
	s.io.Unlock()
	s.update(s.machine.Tick)
}

// dial opens a conn that the machine wants, and reads it to its end.
func (s *clientSession) dial(e *clientmachine.Effect) {
	ctx, cancel := context.WithCancel(s.ctx)
	c := &clientConn{host: s, id: e.Conn, cancel: cancel}
	s.io.Lock()
	s.conns[c.id] = c
	s.io.Unlock()
	go c.run(ctx, e.ConnKind, e.Transport)
}

func (s *clientSession) conn(id int) *clientConn {
	s.io.Lock()
	defer s.io.Unlock()
	return s.conns[id]
}

func (s *clientSession) dialer(name string) transport.Dialer { return s.cfg.Dialers[name] }

// nextBatch has the machine write the next batch of a conn.
func (s *clientSession) nextBatch(id int, b *logs.Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Next(id, b, time.Now())
}

func (s *clientSession) received(id int, b transport.Batch, p *wire.Packet) {
	s.update(func(now time.Time) { s.machine.Receive(id, b, p, now) })
}

func (s *clientSession) closed(id int, fault error) {
	s.io.Lock()
	delete(s.conns, id)
	s.io.Unlock()
	s.update(func(now time.Time) { s.machine.Closed(id, fault, now) })
}

func (s *clientSession) admits() bool { return true }

func (s *clientSession) counted(ObservationKind) {}

func (s *clientSession) about() about { return about{} }

func (s *clientSession) panicked(callback string, value any) {
	logPanic(or(s.cfg.Logger, slog.Default()), s.ID(), callback, value)
}

func (s *clientSession) closedLocally() {
	if s.cfg.OnLocalClose != nil {
		s.cfg.OnLocalClose()
	}
}

func (s *clientSession) wake() { s.update(s.machine.Wake) }

func (s *clientSession) setOnline(online bool) {
	s.update(func(now time.Time) { s.machine.SetOnline(online, now) })
}
