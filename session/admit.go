package session

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	maxAuthMeta   = 8 << 10 // bytes of auth and meta together
	drainingRetry = 2 * time.Second
	busyRetry     = 5 * time.Second
)

// refusal refuses a request for a reason of the table of refusals.
type refusal struct {
	reason string
	retry  time.Duration
}

func (e *refusal) Error() string { return "session: refused: " + e.reason }

var (
	refusedUnknown = &refusal{reason: "unknown"}
	refusedOrigin  = &refusal{reason: "origin"}
	refusedBusy    = &refusal{reason: "busy", retry: busyRetry}

	refusedDraining = &refusal{reason: "draining", retry: drainingRetry}
)

// admit finds the session that a request is for, or makes it. A nil session without an error was
// answered by a tombstone. No lock is held while the application, or another node, is asked.
func (r *Registry) admit(
	ctx context.Context, c *serverConn, req *servermachine.Request, who *Peer, now time.Time,
) (s *serverSession, fresh bool, err error) {
	id, ok := wire.SessionID(req.Key())
	if !ok {
		return nil, false, &ProtocolError{Code: transport.CodeMalformed, Detail: "key (HF1-WHO-01)"}
	}
	if !who.OriginOK {
		// Its Origin can pass only as that of the session it is for. A page of another site must not
		// learn who is logged in here: nobody is asked, and whatever else is wrong, it hears of its
		// Origin alone (HF1-WHO-09).
		if !r.originMayPass(id, req, who) {
			return nil, false, refusedOrigin
		}
		defer func() {
			if err != nil {
				err = refusedOrigin
			}
		}()
	}
	principal, err := r.authorize(ctx, c, req, who)
	if err != nil {
		return nil, false, err
	}
	asked := request{req, id, principal, who}
	for {
		s, last, err := r.lookup(asked, now)
		switch {
		case s != nil || err != nil:
			return s, false, err
		case last != nil: // HF1-WHO-11
			c.AnswerClosed(*last)
			return nil, false, nil
		}
		if err := r.mayCreate(asked); err != nil {
			return nil, false, err
		}
		switch mine, other := r.claim(id, now); {
		case mine:
			s, err := r.create(ctx, asked, now)
			return s, s != nil, err
		case other != nil: // racing opens of one client: the first makes the session, the others find it
			select {
			case <-other:
			case <-ctx.Done():
				return nil, false, refusedBusy
			}
		}
	}
}

// request is a request of whom.
type request struct {
	*servermachine.Request
	id        string
	principal string
	who       *Peer
}

// authorize asks who sends an open, before any lookup (HF1-WHO-07).
func (r *Registry) authorize(
	ctx context.Context, c *serverConn, req *servermachine.Request, who *Peer,
) (string, error) {
	o := req.Open()
	switch {
	case o == nil:
		return "", nil
	case !slices.Contains(o.V, 1):
		return "", &refusal{reason: "version"}
	case len(o.Auth)+len(o.Meta) > maxAuthMeta:
		return "", &refusal{reason: "policy"}
	case r.cfg.Authenticate == nil:
		return "", nil
	}
	h := Handshake{Peer: who, Auth: o.Auth, Meta: o.Meta, Transport: machine.TransportOf(c.Kind())}
	principal, err := r.cfg.Authenticate(ctx, &h)
	if err != nil {
		return "", &refusal{reason: "auth"}
	}
	return principal, nil
}

// lookup finds a living session, or the final word of one that has ended.
func (r *Registry) lookup(q request, now time.Time) (*serverSession, *wire.Closed, error) {
	sh := r.shard(q.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s := sh.live[q.id]; s != nil {
		m := &s.machine // who owns it does not change
		switch {
		case !q.IsFor(m.Run(), m.Principal(), q.principal): // HF1-WHO-05, HF1-WHO-08
			return nil, nil, refusedUnknown
		case !q.who.OriginOK && (q.who.Origin == "" || q.who.Origin != m.Origin()):
			return nil, nil, refusedOrigin
		}
		return s, nil, nil
	}
	if t, ok := sh.tombstones.Get(q.id); ok && now.Before(t.until) {
		if !q.IsFor(t.run, t.principal, q.principal) {
			return nil, nil, refusedUnknown
		}
		return nil, &t.last, nil
	}
	return nil, nil, nil
}

// originMayPass tells whether a request of another site's page can pass: for a living session of its
// Origin, or one that has ended and whose run it knows.
func (r *Registry) originMayPass(id string, req *servermachine.Request, who *Peer) bool {
	sh := r.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s := sh.live[id]; s != nil {
		m := &s.machine // what is read here does not change
		return who.Origin != "" && who.Origin == m.Origin() && req.IsFor(m.Run(), m.Principal(), m.Principal())
	}
	t, ok := sh.tombstones.Get(id)
	return ok && req.Run() != "" && req.IsFor(t.run, t.principal, t.principal)
}

// mayCreate tells whether a request may make a session.
func (r *Registry) mayCreate(q request) error {
	switch {
	case q.Open() == nil || q.Run() != "":
		return refusedUnknown
	case !q.who.OriginOK:
		return refusedOrigin
	}
	return q.CheckNew(r.cfg.MaxMessage)
}

// claim makes the caller the only one who makes a session of that id. If somebody else does, other
// is closed when that is decided. Neither: the session is there, or was, by now.
func (r *Registry) claim(id string, now time.Time) (mine bool, other <-chan struct{}) {
	sh := r.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.live[id] != nil {
		return false, nil
	}
	if t, ok := sh.tombstones.Peek(id); ok && now.Before(t.until) {
		return false, nil
	}
	if decided := sh.creating[id]; decided != nil {
		return false, decided
	}
	if sh.creating == nil {
		sh.creating = map[string]chan struct{}{}
	}
	sh.creating[id] = make(chan struct{})
	return true, nil
}

// create makes a session for whoever has claimed its id, and gives the claim back.
func (r *Registry) create(ctx context.Context, q request, now time.Time) (*serverSession, error) {
	sh := r.shard(q.id)
	defer func() { // also when the application panics
		sh.mu.Lock()
		defer sh.mu.Unlock()
		close(sh.creating[q.id])
		delete(sh.creating, q.id)
	}()
	if err := r.checkOwner(ctx, q.id); err != nil {
		return nil, err
	}
	if err := r.reserve(q.who); err != nil {
		return nil, err
	}
	s := newServerSession(r, q, now)
	if s.isOver() {
		r.leave(s)
		r.release(q.who.Addr)
		return nil, refusedBusy
	}
	sh.mu.Lock()
	draining := r.draining.Load() // whoever walks the sessions after StopAccepting misses none
	if !draining {
		sh.live[q.id] = s
	}
	sh.mu.Unlock()
	if draining {
		r.leave(s)
		r.release(q.who.Addr)
		return nil, refusedDraining
	}
	return s, nil
}

// checkOwner asks which node has the session.
func (r *Registry) checkOwner(ctx context.Context, id string) error {
	if r.owner == nil {
		return nil
	}
	node, err := r.owner(ctx, id)
	switch {
	case err != nil:
		return refusedBusy
	case node != "" && node != r.cfg.Node: // it lives there: here it is unknown
		return refusedUnknown
	}
	return nil
}

// reserve takes room for one more session. It is given back with release.
func (r *Registry) reserve(who *Peer) error {
	if r.draining.Load() {
		return refusedDraining
	}
	if r.pool.isFull() {
		return refusedBusy
	}
	admitted := false
	defer func() { // also when the application panics
		if !admitted {
			r.count.Add(-1)
		}
	}()
	admitted = r.count.Add(1) <= int64(r.cfg.MaxSessions) && (r.cfg.Admit == nil || r.cfg.Admit(who.Addr))
	if !admitted {
		return refusedBusy
	}
	return nil
}

func newServerSession(r *Registry, q request, now time.Time) *serverSession {
	s := &serverSession{
		shared: &r.shared, addr: q.who.Addr, meta: bytes.Clone(q.Open().Meta),
		header: kept(q.who.Header, r.cfg.KeepHeaders),
	}
	s.machine.Init(r.rules, servermachine.Identity{ID: q.id, Principal: q.principal, Origin: q.who.Origin}, now)
	s.core, s.runtime, s.timer.session = &s.machine, s, s
	s.byAddress = r.pool.addresses.join(s.addr)
	if q.principal != "" {
		s.byName = r.pool.principals.join(q.principal)
	}
	return s
}

// kept copies the named headers: the rest of the request's is not to live as long as a session.
func kept(h http.Header, names []string) http.Header {
	var some http.Header
	for _, name := range names {
		if values := h.Values(name); len(values) > 0 {
			if some == nil {
				some = make(http.Header, len(names))
			}
			some[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	return some
}

// refuse makes an error the answer of a conn.
func (r *Registry) refuse(c *serverConn, who *Peer, err error) {
	answer := wire.Refused{Reason: "malformed"}
	var no *refusal
	if errors.As(err, &no) {
		answer.Reason, answer.Retry = no.reason, wire.Millis(no.retry)
		if no.reason == "version" {
			answer.V = []uint64{1}
		}
	} else if wire.CodeOf(err) == transport.CodePosition {
		answer.Reason = "position"
	}
	if r.cfg.Observe != nil {
		r.cfg.Observe(Observation{
			Kind: ObservedRefuse, Transport: machine.TransportOf(c.Kind()), Reason: answer.Reason, Count: 1,
		})
	}
	if who.Refused != nil {
		who.Refused(answer.Reason)
	}
	c.Refuse(answer)
}
