package session

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/transport"
)

// shared is what all sessions of a registry have in common.
type shared struct {
	cfg    RegistryConfig
	rules  *servermachine.Rules
	pool   pool
	clock  clock
	remove func(*serverSession, time.Time) // takes an ended session out of the registry
}

// serverSession is the server's end of a session: one allocation holds all of it.
type serverSession struct {
	Session
	machine servermachine.Machine
	shared  *shared
	addr    netip.Addr
	meta    []byte
	header  http.Header // what RegistryConfig.KeepHeaders names
	timer   timerEntry

	// What follows is under the session's lock.
	booked     int64 // bytes booked as retained
	progress   uint32
	progressAt time.Time // when progress changed, or bytes were booked first
	byAddress  *owner    // who it counts for
	byName     *owner    // nil: it is anonymous
}

// isOver: while the pool is short this session is of somebody who has more than a share of it.
func (s *serverSession) isOver() bool {
	p := &s.shared.pool
	return p.isFull() || p.addresses.isOver(s.byAddress) || p.principals.isOver(s.byName)
}

// start hands a new session to the application. One that the application did not take, as OnSession
// panicked, is ended at once: it would be found by the client's next open, and nobody would ever
// read it.
func (s *serverSession) start() {
	started := false
	defer func() {
		if !started {
			s.update(func(time.Time) { s.machine.End(transport.CodeContinuity, "") })
		}
	}()
	s.mu.Lock()
	deadline := s.machine.Deadline()
	s.mu.Unlock()
	s.shared.clock.set(&s.timer, deadline) // OnSession may take long
	s.shared.cfg.OnSession(&s.Session)
	started = true
}

func (s *serverSession) take() effects {
	s.book()
	return effects{server: s.machine.Effects(), deadline: s.machine.Deadline()}
}

// book keeps the registry's sum of retained bytes.
func (s *serverSession) book() {
	n := s.machine.Retained()
	if p := s.machine.Progress(); p != s.progress || s.booked == 0 && n != 0 {
		s.progress, s.progressAt = p, time.Now()
	}
	if n == s.booked { // what was let go may be as large as what came
		return
	}
	grown := n - s.booked
	s.booked = n
	s.byAddress.retained.Add(grown)
	if s.byName != nil {
		s.byName.retained.Add(grown)
	}
	s.shared.pool.add(grown)
}

func (s *serverSession) do(e effects) {
	e.server.Wake()
	s.observe(e.server.Observations)
	s.issue(e.server.Tickets)
	if e.ended {
		s.shared.clock.stop(&s.timer)
		s.shared.remove(s, time.Now())
	} else {
		s.shared.clock.set(&s.timer, e.deadline)
	}
}

func (s *serverSession) observe(all []servermachine.Observation) {
	for _, o := range all {
		s.shared.cfg.Observe(observationOf(o))
	}
}

// issue makes the tickets that the client waits for.
func (s *serverSession) issue(asked []servermachine.TicketRequest) {
	for _, r := range asked {
		ticket := s.shared.cfg.IssueTicket(Ticket{r.Ticket})
		s.update(func(now time.Time) { s.machine.AnswerTicket(r, ticket, now) })
	}
}

// tick lets the machine look at its deadlines.
func (s *serverSession) tick(now time.Time) {
	s.update(func(time.Time) { s.machine.Tick(now) })
}

func (s *serverSession) admits() bool { return !s.isOver() }

func (s *serverSession) counted(kind ObservationKind) {
	if observe := s.shared.cfg.Observe; observe != nil {
		observe(Observation{Kind: kind, Count: 1})
	}
}

func (s *serverSession) about() about {
	return about{s.machine.Principal(), s.machine.Origin(), s.meta, s.header}
}

func (s *serverSession) panicked(callback string, value any) {
	logPanic(s.shared.cfg.Logger, s.machine.ID(), callback, value)
}

func (s *serverSession) closedLocally() {}

func (s *serverSession) wake() {}

func (s *serverSession) setOnline(bool) {}
