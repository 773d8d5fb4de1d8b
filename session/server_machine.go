package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// The server machine is one session at the server, without I/O: carriers' batches and the time go in, next gives the bytes of a carrier when
// its writer asks. It is guarded by its Session's lock.

// serverConfig is shared by all sessions of a server.
type serverConfig struct {
	node       string
	maxBatch   int
	maxMessage int
	win        int64
	ping, hold time.Duration
	ttl, grace time.Duration
	streamMost int64
	random     func() string // a run, a challenge
	ticket     func(m *serverMachine, t ticketControl) string
	observe    func(observation)
}

// observation is one fact for metrics and traces.
type observation struct {
	what      string // attach, select, resume, refuse, detach, rtt, replay
	transport string
	other     string // the transport switched from; the outcome; the reason
	n         int
	rtt       time.Duration
}

type serverMachine struct {
	cfg       *serverConfig
	id, run   string
	principal string
	origin    string
	out       sendLog
	in        recvLog

	u     uint64
	sel   *serverPath
	selAt uint64 // the att selected last, also when its path is gone
	paths []*serverPath
	top   uint64 // highest att seen
	seen  uint64 // bit i: att top-i was seen

	born, heard time.Time
	repeated    bool // the client has shown that it knows the run (HF1-WHO-10)
	lastLog     time.Time
	ackAt       time.Time
	rewindAt    time.Time
	closeBy     time.Time
	lastFault   transport.Code
	faultKind   transport.Kind
	pings       uint64
	limits      [3]batchLimit // by transport

	own      ending // what this side's !close said
	over     *ending
	forget   bool // over without a tombstone: the client never knew
	deadline time.Time
	wake     []*serverConn // carriers with something to write
}

// serverPath is one attachment as the server sees it.
type serverPath struct {
	att       uint64
	kind      transport.Kind // socket, stream, or open for a long-poll attachment
	challenge string
	maxBatch  int // the client's
	pos       uint64
	ctl       []byte
	conn      *serverConn   // WebSocket or stream
	polls     []*serverConn // hanging, all of the same p
	p         uint64
	pollBy    time.Time

	heard, spoke time.Time
	unanswered   int
	pingI        uint64
	pingAt       time.Time
	standby      time.Time // since when it is not selected
	beacon       uint64    // the next beacon of a stream; 0 none
	beaconAt     time.Time
	underway     underway
	carried      int64 // bytes with log lines
}

// serverConn is one carrier. The machine keeps its part here, so that a carrier costs one allocation.
type serverConn struct {
	kind  transport.Kind
	path  *serverPath
	ready bool           // a POST: its answer may be written
	ctl   []byte         // its answer, beside what the path says
	empty bool           // answer without lines
	p     uint64         // a poll's number
	pos   uint64         // a poll's position when it was completed
	done  bool           // it ends after what it still has to say
	gone  bool           // nothing more is read or written
	why   transport.Code // it ends, for a WebSocket's close frame; 0: no longer wanted

	carrier // the I/O side's part
}

func newServerMachine(cfg *serverConfig, id, principal, origin string, now time.Time) *serverMachine {
	return &serverMachine{cfg: cfg, id: id, run: cfg.random(), principal: principal, origin: origin, born: now, heard: now}
}

// admissible checks what must hold before anything of a batch acts (HF1-BAT-01, HF1-NUM-09, HF1-NUM-10).
func (m *serverMachine) admissible(p *packet, ctl []any) error {
	if p.ack > m.out.sent {
		return &ProtocolError{transport.CodePosition, "ack above what was sent"}
	}
	for _, v := range ctl {
		recv := uint64(0)
		switch v := v.(type) {
		case *openControl:
			recv = v.Recv
		case *pollControl:
			recv = v.Recv
		case *useControl:
			recv = v.Recv
		case *rewindControl:
			recv = v.Recv
		case *ticketControl:
			recv = v.Recv
		}
		if recv > m.out.sent {
			return &ProtocolError{transport.CodePosition, "recv above what was sent"}
		}
	}
	fresh := p.first <= m.in.recv+1 && p.first+uint64(p.logs) > m.in.recv+1
	if fresh && m.in.held > m.cfg.win+int64(m.cfg.maxMessage) {
		return &ProtocolError{transport.CodeWindow, "window overrun"}
	}
	return m.in.check(p, m.cfg.maxMessage)
}

// open attaches (HF1-ATT-*). The batch was admitted: key, run and principal are right.
func (m *serverMachine) open(c *serverConn, o *openControl, p *packet, now time.Time) {
	m.hear(nil, now)
	m.repeated = m.repeated || o.Run != ""
	m.acked(p.ack)
	m.accept(p, now)
	path := m.path(o.Att)
	if path == nil && m.attEnded(o.Att) || path != nil && path.kind != c.kind { // HF1-ATT-03
		m.answerGone(c)
		return
	}
	outcome := "new"
	if path == nil {
		path = m.addPath(c, o, now)
		if o.Run != "" || o.Att > 1 {
			outcome = "resumed"
		}
	} else {
		outcome = "retried"
		m.endConn(path.conn) // HF1-ATT-02: the newest request carries it
		m.overtake(path)
		path.maxBatch = takes(o.Lim)
	}
	m.observe("attach", path, outcome, 1)
	c.path = path
	path.heard, path.spoke = now, now
	switch {
	case o.U > m.u: // HF1-SEL-01
		m.choose(path, o.U, o.Recv, now)
	case m.sel == path:
		path.pos = m.out.from(o.Recv)
	}
	opened := m.openedControl(path)
	if c.kind == transport.KindOpen {
		c.ctl = appendControl(c.ctl, true, "opened", opened)
		c.ready, c.empty = true, true
	} else {
		path.conn = c
		path.ctl = appendControl(nil, true, "opened", opened)
		if c.kind == transport.KindStream {
			path.beacon = 1
		}
	}
	m.step(now)
}

func (m *serverMachine) openedControl(p *serverPath) openedControl {
	return openedControl{
		V: 1, ID: m.id, Run: m.run, Node: m.cfg.node, Att: p.att, Recv: m.in.recv, Sel: selControl{m.u, m.selAt},
		Lim: limControl{MaxBatch: uint64(m.cfg.maxBatch), MaxMessage: uint64(m.cfg.maxMessage)}, Win: uint64(m.cfg.win),
		Ping: ms(m.cfg.ping), Hold: ms(m.cfg.hold), TTL: ms(m.cfg.ttl), Challenge: p.challenge,
	}
}

func ms(d time.Duration) uint64 { return uint64(d.Milliseconds()) }

// addPath makes room first: at most 4, the oldest that is not selected goes (HF1-ATT-04).
func (m *serverMachine) addPath(c *serverConn, o *openControl, now time.Time) *serverPath {
	if len(m.paths) >= maxPaths {
		for _, p := range m.paths {
			if p != m.sel {
				m.endPath(p, transport.CodeSuperseded)
				break
			}
		}
	}
	if o.Att > m.top {
		shift := o.Att - m.top
		m.seen, m.top = m.seen<<min(shift, 64), o.Att
	}
	m.seen |= 1 << (m.top - o.Att)
	p := &serverPath{att: o.Att, kind: c.kind, challenge: m.cfg.random(), maxBatch: takes(o.Lim), standby: now}
	m.paths = append(m.paths, p)
	return p
}

// attEnded: an att that was seen and is not there any more stays ended (HF1-ATT-03).
func (m *serverMachine) attEnded(att uint64) bool {
	return att+64 <= m.top || att <= m.top && m.seen&(1<<(m.top-att)) != 0
}

func (m *serverMachine) path(att uint64) *serverPath {
	for _, p := range m.paths {
		if p.att == att {
			return p
		}
	}
	return nil
}

func (m *serverMachine) answerGone(c *serverConn) {
	c.ctl = appendControl(c.ctl, true, "detach", detachControl{Code: uint64(transport.CodeSuperseded), Gone: true})
	c.ready, c.empty, c.done, c.why = true, true, true, transport.CodeSuperseded
	m.wake = append(m.wake, c)
}

// choose moves the selection (HF1-SEL-01, HF1-SEL-08).
func (m *serverMachine) choose(p *serverPath, u, recv uint64, now time.Time) {
	old := m.sel
	if old != nil && old != p {
		m.missed(old, recv)
		if old.unread() {
			m.endPath(old, transport.CodeSlow)
		} else {
			old.ctl = appendControl(old.ctl, true, "detach", detachControl{Code: uint64(transport.CodeSuperseded)})
			old.standby = now
		}
	}
	if m.u > 0 && old != p {
		from := "none"
		if old != nil {
			from = transportOf(old.kind)
		}
		m.observe("select", p, from, 1)
	}
	m.u, m.sel, m.selAt = u, p, p.att
	p.standby = time.Time{}
	p.pos = m.out.from(recv)
	m.in.told = 0
}

// accept takes the up lines; on a socket a gap is asked for (HF1-NUM-06).
func (m *serverMachine) accept(p *packet, now time.Time) (gap bool) {
	fresh, gap, _ := m.in.accept(p)
	if fresh > 0 {
		m.lastLog = now
	}
	return gap
}

// acked frees the log and moves positions that the ack has overtaken (HF1-NUM-08).
func (m *serverMachine) acked(ack uint64) {
	if !m.out.acked(ack) {
		return
	}
	for _, p := range m.paths {
		p.pos = m.out.from(p.pos)
		m.limit(p).arrived(&p.underway, ack)
	}
}

// hear notes a sign of life.
func (m *serverMachine) hear(p *serverPath, now time.Time) {
	m.heard = now
	if p != nil {
		p.heard, p.unanswered = now, 0
	}
}

func (m *serverMachine) observe(what string, p *serverPath, other string, n int) {
	if m.cfg.observe != nil {
		m.cfg.observe(observation{what: what, transport: transportOf(p.kind), other: other, n: n})
	}
}

// limit is the batch size of a path's transport (HF1-ATT-07).
func (m *serverMachine) limit(p *serverPath) *batchLimit {
	switch p.kind {
	case transport.KindSocket:
		return &m.limits[0]
	case transport.KindStream:
		return &m.limits[1]
	default:
		return &m.limits[2]
	}
}

// missed: the client states a position, so a batch that was to take it further has not arrived there.
func (m *serverMachine) missed(p *serverPath, recv uint64) {
	if recv < p.underway.to {
		m.limit(p).lost(&p.underway)
	} else {
		m.limit(p).arrived(&p.underway, recv)
	}
}

// takes is the largest batch that a client takes.
func takes(l limControl) int {
	return bound(or(int(min(l.MaxBatch, maxBatchBound)), 65536), 2048, maxBatchBound)
}

func transportOf(k transport.Kind) string {
	switch k {
	case transport.KindSocket:
		return transport.WebSocket
	case transport.KindStream:
		return transport.SSE
	default:
		return transport.LongPoll
	}
}
