package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// simNode is a server process: a Table that is given bytes, and the applications of its sessions.
type simNode struct {
	w        *world
	name     string
	t        *Table
	runs     map[string]*simSession // of every session there ever was, by run
	all      []*simSession          // of this process
	sessions []*simSession          // of every process before, too
	apps     []*simApp
	frozen   time.Duration
	refuse   string // the reason for which every request is refused; "": none is
	busy     bool   // no new sessions
}

// simSession is a session at its server.
type simSession struct {
	n      *simNode
	s      *Session
	app    *simApp
	stepAt time.Duration
	lost   bool   // its process was restarted
	u, att uint64 // the selection when it was last looked at
}

func newSimNode(w *world, i int) *simNode {
	n := &simNode{w: w, name: fmt.Sprintf("n%d", i+1), runs: map[string]*simSession{}}
	n.t = n.table()
	return n
}

func (n *simNode) table() *Table {
	cfg := n.w.weather.table
	cfg.Node = n.name
	cfg.Authenticate = n.authenticate
	cfg.Admit = func(netip.Addr) bool { return !n.busy }
	cfg.IssueTicket = func(Ticket) string { return n.w.draw() }
	t := NewTable(cfg)
	t.machine.random = n.w.draw
	t.machine.streamMost = pick(n.w, 20_000, 200_000, int64(streamMost))
	return t
}

var errSimAuth = errors.New("stale credentials")

// authenticate takes the credentials of the current epoch and the one before.
func (n *simNode) authenticate(_ context.Context, h *Handshake) (string, error) {
	var auth struct {
		User  string
		Epoch int
	}
	if err := json.Unmarshal(h.Auth, &auth); err != nil {
		return "", err
	}
	if auth.Epoch < n.w.weather.epoch {
		return "", errSimAuth
	}
	return auth.User, nil
}

// do lets something happen at the node, when it does not sleep.
func (n *simNode) do(f func()) {
	if n.w.at < n.frozen {
		n.w.when(n.frozen, func() { n.do(f) })
		return
	}
	f()
}

// restart forgets every session. Clients see their carriers cut, or nothing at all.
func (n *simNode) restart() {
	n.frozen = 0
	for _, s := range n.all {
		if s.s.server.over == nil {
			s.lost = true
		}
		s.app.dead = true
	}
	n.all = nil
	n.t = n.table()
	for _, c := range n.w.clients {
		for _, ca := range c.sorted() {
			if ca.node == n {
				ca.severed(n.w.rng.IntN(4) != 0, false)
			}
		}
	}
}

// session is what OnSession would start.
func (n *simNode) session(s *Session) *simSession {
	x := &simSession{n: n, s: s}
	s.value = x
	n.w.uids++
	x.app = &simApp{
		w: n.w, name: fmt.Sprintf("%s.%s", n.name, s.server.run[:6]), m: s.server, uid: (n.w.seed<<20 | n.w.uids) << 1, s: s,
		changed: x.settle, peer: x.peer, ends: x.ends, plan: n.w.weather.plan(n.w), patient: n.w.weather.patience,
	}
	n.runs[s.server.run] = x
	n.all, n.sessions, n.apps = append(n.all, x), append(n.sessions, x), append(n.apps, x.app)
	n.w.after(0, x.app.pace)
	return x
}

// peer is the application of the client that has the session's key, if this run is the one it knows or it knows none yet.
func (x *simSession) peer() *simApp {
	if c := x.client(); c != nil {
		return c.app
	}
	return nil
}

// ends is the client, if this run is the one it knows.
func (x *simSession) ends() []*simApp {
	if c := x.client(); c != nil && c.m.run == x.s.server.run {
		return []*simApp{c.app}
	}
	return nil
}

func (x *simSession) client() *simClient {
	for _, c := range x.n.w.clients {
		if c.id == x.s.id {
			return c
		}
	}
	return nil
}

// settle does what an event at the server asks for, as followUp.run does.
func (x *simSession) settle() {
	if x.lost {
		return
	}
	f := x.s.settle()
	for _, c := range f.wake[:f.n] {
		c.w.wake(c)
	}
	for _, c := range f.more {
		c.w.wake(c)
	}
	if f.ended {
		x.n.w.tracef("%s over: %d %q", x.app.name, x.s.server.over.code, x.s.server.over.reason)
		x.n.t.bury(x.s, x.n.w.now())
		x.n.w.counts.ends[x.s.server.over.code]++
	}
	x.plan(f.due)
	x.check()
	x.app.take()
}

func (x *simSession) plan(at time.Time) {
	w := x.n.w
	if at.IsZero() || x.s.server.over != nil {
		return
	}
	due := max(at.Sub(simStart), w.at+time.Millisecond)
	if x.stepAt > w.at && x.stepAt <= due {
		return
	}
	x.stepAt = due
	w.when(due, func() {
		x.n.do(func() {
			if x.stepAt == due {
				x.stepAt = 0
			}
			if !x.lost && x.s.server.over == nil {
				x.s.server.step(w.now())
				x.settle()
			}
		})
	})
}

// check is I6, and with the client's end I2, after every event.
func (x *simSession) check() {
	m, w := x.s.server, x.n.w
	ctl, polls := 0, 0
	for _, p := range m.paths {
		ctl, polls = max(ctl, len(p.ctl)), max(polls, len(p.polls))
	}
	switch {
	case len(m.paths) > maxPaths:
		w.fail("I6: %s has %d paths", x.app.name, len(m.paths))
	case ctl > 8<<10:
		w.fail("I6: %s has %d bytes of controls to write", x.app.name, ctl)
	case polls > 4:
		w.fail("I6: %s holds %d copies of a poll", x.app.name, polls)
	case m.in.held > w.weather.heldBound:
		w.fail("I6: %s holds %d bytes", x.app.name, m.in.held)
	case m.out.bytes() > m.cfg.win+(64<<10):
		w.fail("I6: %s keeps %d bytes, its window is %d", x.app.name, m.out.bytes(), m.cfg.win)
	case m.u < x.u || m.selAt != x.att && m.u == x.u:
		w.fail("SEL-01: the selection of %s moved from u %d att %d to u %d att %d", x.app.name, x.u, x.att, m.u, m.selAt)
	}
	x.u, x.att = m.u, m.selAt
	if c := x.client(); c != nil && c.m.run == m.run {
		x.checkWith(c)
	}
}

// punctual is as the client's.
func (x *simSession) punctual() {
	m, w := x.s.server, x.n.w
	now := w.now()
	if w.rng.IntN(16) > 0 || x.lost || m.over != nil || len(m.wake) > 0 || !m.deadline.IsZero() && !m.deadline.After(now) {
		return
	}
	for _, p := range m.paths { // a writer that is on its way plans what it finds
		if p.conn != nil {
			if v := p.conn.w.(*simServe); v.rung || v.ca.full(v) {
				return
			}
		}
	}
	before := m.deadline
	m.step(now)
	if m.over != nil {
		w.fail("LIV-07: %s would have slept until %v, and ended", x.app.name, before.Sub(simStart))
	}
	if at := m.deadline; !at.IsZero() && (before.IsZero() || at.Before(before)) {
		w.fail("LIV-07: %s would have slept until %v, and has something to do at %v", x.app.name, before.Sub(simStart), at.Sub(simStart))
	}
	for _, c := range m.wake {
		if c.kind != transport.KindSocket && c.kind != transport.KindStream {
			w.fail("LIV-07: %s would have slept until %v, and had %s to answer", x.app.name, before.Sub(simStart), c.kind)
		}
		c.w.wake(c)
	}
	clear(m.wake)
	m.wake = m.wake[:0]
}

// checkWith compares the two ends of a session (I2).
func (x *simSession) checkWith(c *simClient) {
	m, w := x.s.server, x.n.w
	taken := m.in.taken
	if m.over != nil {
		taken = m.in.given // the final word
	}
	switch {
	case c.m.out.base > taken:
		w.fail("I2: %s has freed up to %d, %s has taken %d", c.name, c.m.out.base, x.app.name, taken)
	case m.out.base > c.m.in.taken:
		w.fail("I2: %s has freed up to %d, %s has taken %d", x.app.name, m.out.base, c.name, c.m.in.taken)
	case c.m.in.recv > m.out.sent || m.in.recv > c.m.out.sent:
		w.fail("I1: a receiver of %s is ahead of its sender", c.name)
	case m.u > c.m.u:
		w.fail("SEL: %s has u %d, %s never went above %d", x.app.name, m.u, c.name, c.m.u)
	}
}

// simServe is the server's end of a carrier, or of a copy of a request that nobody waits for.
type simServe struct {
	n      *simNode
	t      *Table
	ca     *simCarrier // who reads what it writes; nil: nobody
	pre    transport.Preamble
	c      *serverConn
	s      *simSession
	ended  bool
	rung   bool
	packet packet
}

// accept takes the first batch of a carrier.
func (v *simServe) accept(b transport.Batch) {
	n := v.n
	v.t = n.t
	v.c = &serverConn{kind: v.pre.Kind}
	v.c.w = v
	if n.refuse != "" {
		refuse(v.c, refusedControl{Reason: n.refuse, Retry: uint64(n.w.rng.IntN(2000))})
		v.alone()
		return
	}
	if n.unwelcome(v) {
		refuse(v.c, refusedControl{Reason: "policy"})
		v.alone()
		return
	}
	who := &Peer{OriginOK: v.ca == nil || !v.ca.c.doomed[transport.CodePolicy]}
	s, fresh := v.t.handle(context.Background(), v.c, b, &v.packet, who, n.w.now())
	if s == nil {
		v.alone()
		return
	}
	if fresh {
		n.session(s)
	}
	v.s = s.value.(*simSession)
	v.s.settle()
	if v.pre.Kind != transport.KindSocket {
		v.write()
	}
}

// unwelcome: half of those that the house has rules against are known by their Origin, the others by something else.
func (n *simNode) unwelcome(v *simServe) bool {
	return v.ca != nil && v.ca.c.doomed[transport.CodePolicy] && v.ca.c.m.cfg.meta == nil
}

// alone writes the answer of a carrier that no session took.
func (v *simServe) alone() {
	data := append(appendHead(nil, 1, 0), v.c.ctl...)
	v.ended = true
	v.ca.down(v, false, data, true)
}

// receive takes a later frame of a WebSocket.
func (v *simServe) receive(b transport.Batch) {
	if v.ended || v.s == nil || v.s.lost {
		return
	}
	v.s.s.frame(v.c, b, &v.packet, v.n.w.now())
	v.s.settle()
}

// wake is the machine's word that there is something to write; the writer gets to it in a moment.
func (v *simServe) wake(*serverConn) {
	if v.rung || v.ended {
		return
	}
	v.rung = true
	v.n.w.after(v.n.w.between(0, time.Millisecond), func() {
		v.rung = false
		v.n.do(v.write)
	})
}

// write writes batches until there are no more, as Session.writeNext does.
func (v *simServe) write() {
	var b outBatch
	for !v.ended && !v.s.lost {
		if v.ca.stuck(v) { // it goes on when there is room
			return
		}
		ok := v.c.s.server.next(v.c, &b, v.n.w.now())
		if !ok {
			v.s.plan(v.c.s.server.deadline)
			v.s.punctual()
			if b.last {
				v.finish(false)
				v.ca.down(v, false, nil, true)
			}
			return
		}
		v.ca.down(v, b.kind, simBytes(&b), b.last)
		if b.last {
			v.finish(false)
		}
	}
}

// finish books the end of the carrier at the server.
func (v *simServe) finish(broken bool) {
	if v.ended {
		return
	}
	v.ended = true
	if v.s == nil || v.s.lost {
		return
	}
	v.c.s.server.closed(v.c, broken, v.n.w.now())
	v.s.settle()
}
