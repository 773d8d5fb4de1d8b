package session

import (
	"encoding/json"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// The client machine decides; it does no I/O. Events and the time go in (start, received, closed, tick …), actions come out, and next gives
// the bytes of a carrier when its writer asks. clientjs/src/machine.ts is the same machine; both run session/testdata/scenarios.

type actionKind uint8

const (
	actDial     actionKind = iota + 1 // open carrier conn: kind on transport; its first batch is next(conn)
	actWrite                          // carrier conn has something to write: call next(conn) until it has no more
	actHangup                         // end carrier conn; nothing it does is of interest any more
	actAuth                           // ask the application for credentials, then call authorized
	actTrace                          // something to tell whoever watches
	actOver                           // the session has ended: see over
	actRemember                       // keep memory for the next session to this endpoint
)

type action struct {
	kind      actionKind
	conn      int
	carrier   transport.Kind
	transport string
	code      transport.Code
	trace     trace
	memory    []byte
}

// trace is one step of a session's life, for timelines and logs.
type trace struct {
	what      string // attach, opened, selected, detached, refused, died, suspect, proven, rest
	transport string
	att       uint64
	reason    string
}

type clientConfig struct {
	key        string
	transports []string // order of preference, best first
	maxBatch   int
	maxMessage int   // largest message this side takes
	win        int64 // window until opened tells the session's
	auth       json.RawMessage
	meta       json.RawMessage
	random     func() float64 // in [0,1)
	memory     []byte         // what an earlier session has learned here, as it was handed out
	remembers  bool           // hand out what is learned
}

type clientMachine struct {
	cfg clientConfig
	out sendLog
	in  recvLog

	run, id     string
	win         int64
	maxBatch    int // of the server
	peerMessage int // the largest message the server takes
	ping        time.Duration
	hold        time.Duration
	ttl         time.Duration

	u, heard uint64      // highest selection number used; highest that the server has confirmed
	cur      *clientPath // the path this side has selected
	known    uint64      // highest position in the up log that the server has stated
	sentDown uint64      // highest down line the server says it has sent
	sentAt   time.Time   // when it said so first, or a line came since

	ways  []*clientWay // one per transport, best first
	paths []*clientPath
	conns []*clientConn
	atts  uint64
	ids   int
	pings uint64

	rtt      time.Duration // smoothed; 0 unknown
	slow     time.Duration // the round trip is a guess, and is to be measured anew: how long to be patient until then, at least
	lastLog  time.Time     // a log line came or went
	activeAt time.Time     // the first one after a time without
	progress time.Time     // the ack moved or a pong came, or lines went out when none were outstanding
	ackAt    time.Time     // an ack of its own is due
	rewindAt time.Time     // a rewind was asked

	best     *clientWay // the last that was in use and proven: it is tried first (HF1-LIV-19)
	since    time.Time  // what is known began to be learned then
	told     []fact     // what was handed out to be remembered
	toldBest *clientWay
	toldAt   time.Time

	wokeAt  time.Time // the client woke
	offline bool      // the platform says that there is no network

	race       raceState
	unknownAt  time.Time // first refusal as unknown
	foreign    bool      // a WebSocket was refused for its Origin
	lastFault  transport.Code
	reauthed   bool
	waitAuth   bool
	authAt     time.Time // fresh credentials were given
	closeBy    time.Time // this side's close gives up waiting
	peerClosed *closeControl
	closeAck   time.Time // the ack of the peer's close is repeated

	over     *ending
	deadline time.Time
	again    bool // a rule has changed what others have judged
	actions  []action
}

func newClientMachine(cfg clientConfig) *clientMachine {
	m := &clientMachine{cfg: cfg, win: cfg.win, maxBatch: 65536, peerMessage: 1 << 20, ping: 20 * time.Second, hold: 20 * time.Second, ttl: 120 * time.Second}
	for _, name := range cfg.transports {
		m.ways = append(m.ways, &clientWay{name: name})
	}
	return m
}

// start begins the first connect.
func (m *clientMachine) start(now time.Time) {
	m.race.at, m.since = now, now
	m.recall(now)
	m.step(now)
}

// authorized gives fresh credentials after actAuth.
func (m *clientMachine) authorized(auth json.RawMessage, now time.Time) {
	m.cfg.auth, m.waitAuth, m.authAt = auth, false, now
	m.step(now)
}

// tick is called when deadline has come, and may be called at any time (HF1-LIV-07).
func (m *clientMachine) tick(now time.Time) {
	m.step(now)
}

// send appends a message. The caller has checked the bound.
func (m *clientMachine) send(kind lineKind, payload []byte, now time.Time) uint64 {
	if m.out.bytes() == 0 {
		m.progress = now
	}
	n := m.out.append(kind, payload)
	m.step(now)
	return n
}

// taken is called after in.done.
func (m *clientMachine) taken(r received, now time.Time) {
	m.in.done(r)
	if r.close != nil && m.over == nil {
		m.peerClosed, m.closeAck, m.closeBy = r.close, now, now.Add(closeGrace)
	}
	m.step(now)
}

// received takes one batch from carrier conn.
func (m *clientMachine) received(conn int, b transport.Batch, p *packet, now time.Time) {
	c := m.conn(conn)
	if c == nil || m.over != nil {
		return
	}
	err := p.parse(b, m.cfg.maxBatch)
	var ctl []any
	if err == nil {
		if ctl, err = decodeControls(p); err == nil {
			err = m.admissible(c, p, ctl)
		}
	}
	if err != nil {
		m.fault(c, err, now)
	} else {
		m.apply(c, p, ctl, now)
	}
	m.step(now)
}

// admissible checks what would end the attachment, before anything of the batch acts (HF1-BAT-01, HF1-NUM-09).
func (m *clientMachine) admissible(c *clientConn, p *packet, ctl []any) error {
	if p.ack > m.out.sent {
		return &ProtocolError{transport.CodePosition, "ack above what was sent"}
	}
	for _, v := range ctl {
		recv := uint64(0)
		switch v := v.(type) {
		case *openedControl:
			recv = v.Recv
			if v.Att != c.path.att {
				return &ProtocolError{transport.CodeMalformed, "opened of another attachment"}
			}
		case *replyControl:
			recv = v.Recv
		case *rewindControl:
			recv = v.Recv
		}
		if recv > m.out.sent && (c.path.state == pathOpen || find[*openedControl](ctl) != nil) {
			return &ProtocolError{transport.CodePosition, "recv above what was sent"}
		}
	}
	return m.in.check(p, m.cfg.maxMessage)
}

// apply lets an admissible batch act: ack, then lines in order.
func (m *clientMachine) apply(c *clientConn, p *packet, ctl []any, now time.Time) {
	path := c.path
	if c.kind != transport.KindUp || path.way.name == transport.LongPoll { // an answer to a POST says nothing of a stream
		path.hears(now)
	}
	if !c.by.IsZero() { // what comes on a stream says nothing of what is posted for it
		path.answered(now)
	}
	// A run that is not ours is a fault of the path, before its ack or lines act (HF1-WHO-06).
	if o := find[*openedControl](ctl); o != nil && m.run != "" && o.Run != m.run {
		m.kill(path, transport.CodeFault, "another run", now)
		return
	}
	if path.state == pathOpening && find[*openedControl](ctl) == nil {
		m.answerless(c, ctl, now)
		return
	}
	m.lastFault = 0
	news := m.acked(p.ack, now)
	before := m.in.recv
	_, gap, err := m.in.accept(p)
	if err != nil { // admissible has looked; only a broken !close comes here
		m.fault(c, err, now)
		return
	}
	if m.in.recv > before {
		m.active(now)
		m.sentAt, news = now, true
	}
	if news {
		m.race.tries = 0
	} else if c.kind == transport.KindPoll {
		path.pollAt = c.born.Add(pollEach)
	}
	for _, v := range ctl {
		m.control(c, v, now)
	}
	if gap && path == m.cur && m.over == nil {
		m.gap(path, now)
	}
}

// answerless handles a batch without opened on a path that waits for one: a refusal, a final word, or nonsense.
func (m *clientMachine) answerless(c *clientConn, ctl []any, now time.Time) {
	for _, v := range ctl {
		switch v.(type) {
		case *refusedControl, *closedControl, *detachControl:
			m.control(c, v, now)
			return
		}
	}
	m.kill(c.path, transport.CodeFault, "no opened", now)
}

// gap asks for what is missing, once a round trip (HF1-NUM-06). On a poll the next poll does.
func (m *clientMachine) gap(path *clientPath, now time.Time) {
	if path.way.name == transport.LongPoll || now.Sub(m.rewindAt) < max(m.rtt, 250*time.Millisecond) {
		return
	}
	m.rewindAt = now
	path.say("rewind", rewindControl{Recv: m.in.recv})
}

// acked frees the log (I2) and moves positions that an ack has overtaken (HF1-NUM-08).
func (m *clientMachine) acked(ack uint64, now time.Time) bool {
	if !m.out.acked(ack) {
		return false
	}
	m.progress = now
	if !m.closeBy.IsZero() { // the end is coming nearer
		m.closeBy = now.Add(closeGrace)
	}
	m.known = max(m.known, ack)
	for _, p := range m.paths {
		p.pos = m.out.from(p.pos)
		p.way.limit.arrived(&p.underway, ack)
		p.faults = 0 // what was posted has arrived, if not its answer
	}
	return true
}

// control lets one control act.
func (m *clientMachine) control(c *clientConn, v any, now time.Time) {
	path := c.path
	switch v := v.(type) {
	case *openedControl:
		m.opened(c, v, now)
	case *replyControl:
		m.replied(c, v, now)
	case *refusedControl:
		m.refused(c, v, now)
	case *detachControl:
		m.detached(path, v, now)
	case *closedControl:
		m.acked(min(v.Recv, m.out.sent), now)
		// Without a run it may not be the only session of this key: a server that was started anew knows nothing of what the one before took.
		m.finish(ending{code: transport.Code(v.Code), reason: v.Reason, recv: v.Recv, known: m.run != "", remote: true})
	case *rewindControl:
		path.pos = m.out.from(v.Recv)
	case *pingControl:
		if len(path.ctl) <= maxUnsaid { // a server that asks and does not read loses its answers
			path.say("pong", pongControl(*v))
		}
	case *pongControl:
		m.ponged(path, v.I, now)
	case *beaconControl:
		if path.beacons = max(path.beacons, v.I); v.I >= 2 {
			path.beaconBy = time.Time{}
		}
	case *moveControl:
		m.move(path, "move", now)
	}
}

func (m *clientMachine) trace(what string, p *clientPath, reason string) {
	m.actions = append(m.actions, action{kind: actTrace, trace: trace{what, p.way.name, p.att, reason}})
}

// drain hands out the actions since the last call. The slice is valid until the next event.
func (m *clientMachine) drain() []action {
	a := m.actions
	m.actions = m.actions[:0]
	return a
}

// conn finds a living carrier.
func (m *clientMachine) conn(id int) *clientConn {
	for _, c := range m.conns {
		if c.id == id {
			return c
		}
	}
	return nil
}

func find[T any](ctl []any) (zero T) {
	for _, v := range ctl {
		if t, ok := v.(T); ok {
			return t
		}
	}
	return zero
}
