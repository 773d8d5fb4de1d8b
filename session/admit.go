package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// request is the first batch of a carrier, parsed.
type request struct {
	packet *packet
	ctl    []any
	key    string
	run    string
	open   *openControl // one of open, poll, up
	poll   *pollControl
	up     *upControl
}

// att is the attachment it names.
func (r request) att() uint64 {
	switch {
	case r.open != nil:
		return r.open.Att
	case r.poll != nil:
		return r.poll.Att
	}
	return r.up.Att
}

// readRequest parses a first batch and finds whom it addresses (HF1-HTTP-09).
func readRequest(kind transport.Kind, b transport.Batch, p *packet, limit int) (r request, err error) {
	if err := p.parse(b, limit); err != nil {
		return r, err
	}
	if r.ctl, err = decodeControls(p); err != nil {
		return r, err
	}
	r.packet = p
	if len(r.ctl) == 0 || len(p.lines) == 0 || p.lines[0].kind != lineControl {
		return r, errAddress
	}
	switch v := r.ctl[0].(type) {
	case *openControl:
		if kind != transport.KindPoll && kind != transport.KindUp {
			r.open, r.key, r.run = v, v.Key, v.Run
			return r, nil
		}
	case *pollControl:
		if kind == transport.KindPoll {
			r.poll, r.key, r.run = v, v.Key, v.Run
			return r, nil
		}
	case *upControl:
		if kind == transport.KindUp {
			r.up, r.key, r.run = v, v.Key, v.Run
			return r, nil
		}
	}
	return r, errAddress
}

// misplaced finds a control where the table of controls does not put it (HF1-ERR-05).
func misplaced(ctl []any, addressed bool) error {
	alone := false
	for i, v := range ctl {
		if i == 0 && addressed {
			_, alone = v.(*openControl)
			continue
		}
		switch v := v.(type) {
		case *useControl, *pingControl, *pongControl, *rewindControl, *detachControl:
			if !alone {
				continue
			}
		case *ticketControl:
			if !alone && v.Ticket == "" {
				continue
			}
		}
		return errMisplaced
	}
	return nil
}

var errMisplaced = &ProtocolError{transport.CodeMalformed, "a control out of place (HF1-ERR-05)"}

var errAddress = &ProtocolError{transport.CodeMalformed, "first line is not what the kind demands (HF1-HTTP-09)"}

// errRefused refuses a request for a reason of the table of refusals.
type errRefused struct {
	reason string
	retry  time.Duration
}

func (e *errRefused) Error() string { return "session: refused: " + e.reason }

var (
	refusedUnknown = &errRefused{reason: "unknown"}
	refusedOrigin  = &errRefused{reason: "origin"}
)

// handle takes the first batch of carrier c: it admits it to a session, new or known, and lets it act there. The answer is then had from
// the session's machine, or from c alone if no session took it.
func (t *Table) handle(ctx context.Context, c *serverConn, b transport.Batch, p *packet, who *Peer, now time.Time) (s *Session, fresh bool) {
	// Nothing was advertised to a client that speaks first: it goes by the default, and may send early messages (HF1-BAT-05, HF1-ATT-08).
	r, err := readRequest(c.kind, b, p, max(t.cfg.MaxBatch, transport.DefaultMaxBatch))
	if err == nil {
		s, fresh, err = t.find(ctx, c, r, who, now)
	}
	if err != nil {
		t.refuseWith(c, who, err)
		return nil, false
	}
	if s == nil { // a tombstone has answered
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.server
	if m.over != nil { // it ended between find and here
		c.ctl, c.ready, c.empty, c.done, c.why = appendControl(nil, true, nameClosed, m.closedControl()), true, true, true, m.over.code
		return nil, false
	}
	c.s = s
	if err := t.mayAct(m, p, r.ctl, true); err != nil {
		m.fault(c, m.path(r.att()), err, now)
		return s, fresh
	}
	m.lastFault = 0
	switch {
	case r.open != nil:
		m.open(c, r.open, p, now)
	case r.poll != nil:
		m.poll(c, r.poll, p, r.ctl, now)
	default:
		m.up(c, r.up, p, r.ctl, now)
	}
	return s, fresh
}

// frame takes a later batch of a WebSocket.
func (s *Session) frame(c *serverConn, b transport.Batch, p *packet, now time.Time) {
	err := p.parse(b, s.table.cfg.MaxBatch)
	var ctl []any
	if err == nil {
		ctl, err = decodeControls(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.server
	if c.path == nil || m.over != nil {
		return
	}
	if err == nil {
		err = s.table.mayAct(m, p, ctl, false)
	}
	if err != nil {
		m.fault(c, c.path, err, now)
		return
	}
	m.lastFault = 0
	m.frame(c, p, ctl, now)
}

// find looks the session up, or makes it. A nil session without an error was answered by a tombstone.
func (t *Table) find(ctx context.Context, c *serverConn, r request, who *Peer, now time.Time) (*Session, bool, error) {
	id, ok := idOf(r.key)
	if !ok {
		return nil, false, &ProtocolError{transport.CodeMalformed, "key (HF1-WHO-01)"}
	}
	principal := ""
	if r.open != nil {
		if !hasVersion(r.open.V, 1) {
			return nil, false, &errRefused{reason: "version"}
		}
		if len(r.open.Auth)+len(r.open.Meta) > 8<<10 {
			return nil, false, &errRefused{reason: "policy"}
		}
		if t.cfg.Authenticate != nil { // HF1-WHO-07: before any lookup
			var err error
			if principal, err = t.cfg.Authenticate(ctx, &Handshake{who, r.open.Auth, r.open.Meta, transportOf(c.kind)}); err != nil {
				return nil, false, &errRefused{reason: "auth"}
			}
		}
	}
	sh := t.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s := sh.live[id]; s != nil {
		switch {
		case !r.isFor(s.server.run, s.server.principal, principal):
			return nil, false, refusedUnknown // HF1-WHO-05, HF1-WHO-08
		case !who.OriginOK && (who.Origin == "" || who.Origin != s.server.origin):
			return nil, false, refusedOrigin
		}
		return s, false, nil
	}
	if g, ok := sh.graves.Get(id); ok && now.Before(g.until) { // HF1-WHO-11
		if !r.isFor(g.run, g.principal, principal) {
			return nil, false, refusedUnknown
		}
		c.ctl, c.ready, c.empty, c.done, c.why = appendControl(nil, true, nameClosed, g.last), true, true, true, transport.Code(g.last.Code)
		return nil, false, nil
	}
	if r.open == nil || r.run != "" {
		return nil, false, refusedUnknown
	}
	if !who.OriginOK {
		return nil, false, refusedOrigin
	}
	if r.packet.ack > 0 || r.open.Recv > 0 { // nothing was ever sent to it (HF1-NUM-09)
		return nil, false, &ProtocolError{transport.CodePosition, "a position in a session that is not there"}
	}
	if err := t.mayBegin(r); err != nil {
		return nil, false, err
	}
	if err := t.room(who); err != nil {
		return nil, false, err
	}
	s := newServerSession(t, id, principal, who, now)
	s.meta = append([]byte(nil), r.open.Meta...)
	sh.live[id] = s
	return s, true, nil
}

// isFor tells whether a request of principal belongs to a session, or a tombstone, of this run and owner. An open may not know the run yet
// (HF1-WHO-04), and only an open was authenticated. A run is compared like a secret (HF1-WHO-12): it is told to its client alone.
func (r request) isFor(run, owner, principal string) bool {
	if r.open != nil && principal != owner {
		return false
	}
	return r.open != nil && r.run == "" || subtle.ConstantTimeCompare([]byte(r.run), []byte(run)) == 1
}

// mayAct checks a parsed batch before any of it acts (HF1-BAT-01).
func (t *Table) mayAct(m *serverMachine, p *packet, ctl []any, addressed bool) error {
	// All sessions together hold more than they may, and this one brings more while its application has left much of its window untaken: the
	// policy at the bound of MaxRetained is to end it.
	if p.logs > 0 && m.in.held > m.cfg.win/4 && t.retained.Load() > t.cfg.MaxRetained {
		return &ProtocolError{transport.CodeSlow, "the server holds all it may"}
	}
	if err := misplaced(ctl, addressed); err != nil {
		return err
	}
	return m.admissible(p, ctl)
}

// mayBegin checks the batch that would make a session: nothing of one that breaks a rule acts (HF1-BAT-01), so it makes none. A message that
// is too large is left to the session, which it ends (HF1-NUM-10).
func (t *Table) mayBegin(r request) error {
	if err := misplaced(r.ctl, true); err != nil {
		return err
	}
	if err := new(recvLog).check(r.packet, t.cfg.MaxMessage); codeOf(err) == transport.CodeMalformed {
		return err
	}
	return nil
}

// room asks the limits for one more session.
func (t *Table) room(who *Peer) error {
	if t.draining.Load() {
		return &errRefused{reason: "draining", retry: 2 * time.Second}
	}
	if t.retained.Load() >= t.cfg.MaxRetained {
		return &errRefused{reason: "busy", retry: 5 * time.Second}
	}
	if t.count.Add(1) > int64(t.cfg.MaxSessions) || t.cfg.Admit != nil && !t.cfg.Admit(who.Addr) {
		t.count.Add(-1)
		return &errRefused{reason: "busy", retry: 5 * time.Second}
	}
	return nil
}

func hasVersion(v []uint64, n uint64) bool {
	for _, x := range v {
		if x == n {
			return true
		}
	}
	return false
}

// refuseWith makes an error the answer of a carrier.
func (t *Table) refuseWith(c *serverConn, who *Peer, err error) {
	r := refusedControl{Reason: "malformed"}
	var no *errRefused
	if errors.As(err, &no) {
		r.Reason, r.Retry = no.reason, ms(no.retry)
		if no.reason == "version" {
			r.V = []uint64{1}
		}
	} else if codeOf(err) == transport.CodePosition {
		r.Reason = "position"
	}
	if t.cfg.Observe != nil {
		t.cfg.Observe(Observation{What: "refuse", Transport: transportOf(c.kind), Other: r.Reason, N: 1})
	}
	if who.Refused != nil {
		who.Refused(r.Reason)
	}
	refuse(c, r)
}
