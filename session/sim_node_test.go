package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// simNode is the process of a server: a Registry, and the applications of its sessions.
type simNode struct {
	w        *world
	name     string
	r        *Registry
	runs     map[string]*simSession // all sessions that ever were, by run
	all      []*simSession          // of this process
	sessions []*simSession          // also of the processes before
	apps     []*simApp
	frozen   time.Duration
	refuse   string // the reason with which every request is refused; "": none is
	busy     bool   // no new sessions
}

// simSession is a session at its server.
type simSession struct {
	n        *simNode
	s        *serverSession
	m        *servermachine.Machine // of s
	app      *simApp
	writers  []*simServe // WebSockets and streams that have not ended
	tickAt   time.Duration
	lost     bool   // its process was restarted
	u, att   uint64 // the selection at the last check
	moving   bool   // the next batch of the selected attachment gets a ?move
	asleep   bool   // the machine must have nothing to do until sleepEnd: see checkPunctual
	sleepEnd time.Duration
}

func newSimNode(w *world, i int) *simNode {
	n := &simNode{w: w, name: fmt.Sprintf("n%d", i+1), runs: map[string]*simSession{}}
	n.r = n.registry()
	return n
}

func (n *simNode) registry() *Registry {
	cfg := n.w.profile.registry
	cfg.Node = n.name
	cfg.Authenticate = n.authenticate
	cfg.Admit = func(netip.Addr) bool { return !n.busy }
	cfg.IssueTicket = func(Ticket) string { return n.w.draw() }
	r := NewRegistry(cfg)
	rules := r.machineConfig()
	rules.Random = n.w.draw
	rules.MaxStreamBytes = pick(n.w, 20_000, 200_000, int64(servermachine.MaxStreamBytes))
	r.rules, r.pool.reclaim = servermachine.NewRules(rules), nil // no goroutines here
	return r
}

var errSimAuth = errors.New("stale credentials")

// authenticate refuses credentials of an epoch before the current one.
func (n *simNode) authenticate(_ context.Context, h *Handshake) (string, error) {
	var auth struct {
		User  string
		Epoch int
	}
	if err := json.Unmarshal(h.Auth, &auth); err != nil {
		return "", err
	}
	if auth.Epoch < n.w.profile.epoch {
		return "", errSimAuth
	}
	return auth.User, nil
}

// do runs f at the node, when it is awake.
func (n *simNode) do(f func()) {
	if n.w.at < n.frozen {
		n.w.when(n.frozen, func() { n.do(f) })
		return
	}
	f()
}

// restart loses every session. A client sees that its carriers are cut, or sees nothing.
func (n *simNode) restart() {
	n.frozen = 0
	for _, s := range n.all {
		if !s.over() {
			s.lost = true
		}
		s.app.dead = true
	}
	n.all = nil
	n.r = n.registry()
	for _, c := range n.w.clients {
		for _, ca := range c.sorted() {
			if ca.node == n {
				ca.cut(n.w.rng.IntN(4) != 0, false)
			}
		}
	}
}

// session starts the application of a session, as OnSession does.
func (n *simNode) session(s *serverSession) *simSession {
	x := &simSession{n: n, s: s, m: &s.machine}
	s.value = x
	n.w.uids++
	x.app = &simApp{
		w: n.w, name: fmt.Sprintf("%s.%s", n.name, x.m.Run()[:6]), m: x.m, uid: (n.w.seed<<20 | n.w.uids) << 1,
		changed: x.perform, peer: x.peer, ends: x.ends,
		plan: n.w.profile.plan(n.w), maxHandling: n.w.profile.maxHandling,
	}
	n.runs[x.m.Run()] = x
	n.all, n.sessions, n.apps = append(n.all, x), append(n.sessions, x), append(n.apps, x.app)
	n.w.after(0, x.app.pace)
	return x
}

func (x *simSession) over() bool { return x.app.over() }

// peer is the application of the client that has the session's key.
func (x *simSession) peer() *simApp {
	if c := x.client(); c != nil {
		return c.app
	}
	return nil
}

// ends is the client's application, if the client knows this run.
func (x *simSession) ends() []*simApp {
	if c := x.client(); c != nil && c.m.Run() == x.m.Run() {
		return []*simApp{c.app}
	}
	return nil
}

func (x *simSession) client() *simClient {
	for _, c := range x.n.w.clients {
		if c.id == x.m.ID() {
			return c
		}
	}
	return nil
}

// perform does what an event at the server requires, as Session.collect and Session.perform do.
func (x *simSession) perform() {
	if x.lost {
		return
	}
	e := x.s.collect()
	e.server.Wake()
	for _, r := range e.server.Tickets {
		x.m.AnswerTicket(r, x.n.w.draw(), x.n.w.now())
		x.perform()
	}
	if e.ended {
		end, _ := x.m.Ending()
		x.n.w.tracef("%s over: %d %q", x.app.name, end.Code, end.Reason)
		x.n.r.remove(x.s, x.n.w.now())
		x.n.w.counts.ends[end.Code]++
	}
	x.plan(e.deadline)
	x.check()
	x.app.take()
}

func (x *simSession) plan(at time.Time) {
	w := x.n.w
	if at.IsZero() || x.over() {
		return
	}
	due := max(at.Sub(simStart), w.at+time.Millisecond)
	if x.tickAt > w.at && x.tickAt <= due {
		return
	}
	x.tickAt = due
	w.when(due, func() {
		x.n.do(func() {
			if x.tickAt == due {
				x.tickAt = 0
			}
			if !x.lost && !x.over() {
				x.m.Tick(w.now())
				x.perform()
			}
		})
	})
}

// check checks I6, and I2 together with the client's end, after every event.
func (x *simSession) check() {
	m, w, window := x.m.Snapshot(), x.n.w, int64(x.n.r.cfg.Window)
	switch {
	case m.Attachments > machine.MaxAttachments:
		w.fail("I6: %s has %d attachments", x.app.name, m.Attachments)
	case m.QueuedControls > 8<<10:
		w.fail("I6: %s has %d bytes of controls to write", x.app.name, m.QueuedControls)
	case m.HangingPolls > 4:
		w.fail("I6: %s holds %d copies of a poll", x.app.name, m.HangingPolls)
	case m.Held > w.profile.heldBound:
		w.fail("I6: %s holds %d received bytes", x.app.name, m.Held)
	case x.m.Buffered() > window+(64<<10):
		w.fail("I6: %s buffers %d bytes, its window is %d", x.app.name, x.m.Buffered(), window)
	case m.U < x.u || m.Att != x.att && m.U == x.u:
		w.fail("SEL-01: the selection of %s changed from u %d att %d to u %d att %d",
			x.app.name, x.u, x.att, m.U, m.Att)
	}
	x.u, x.att = m.U, m.Att
	if c := x.client(); c != nil && c.m.Run() == x.m.Run() {
		x.checkWith(c, m, c.m.Snapshot())
	}
}

// checkPunctual is as simClient.checkPunctual.
func (x *simSession) checkPunctual() {
	m, w := x.m, x.n.w
	before, now := m.Deadline(), w.now()
	if w.rng.IntN(16) > 0 || x.lost || x.over() || m.Snapshot().Wakes > 0 || !before.IsZero() && !before.After(now) {
		return
	}
	x.writers = slices.DeleteFunc(x.writers, func(v *simServe) bool { return v.ended })
	for _, v := range x.writers { // a writer that was woken may change the deadline
		if v.woken || v.ca.full(v) {
			return
		}
	}
	m.Tick(now)
	if x.over() {
		w.fail("LIV-07: the next deadline of %s was %v, and it ended before", x.app.name, before.Sub(simStart))
	}
	if at := m.Deadline(); !at.IsZero() && (before.IsZero() || at.Before(before)) {
		w.fail("LIV-07: the next deadline of %s was %v, and after a tick it is %v",
			x.app.name, before.Sub(simStart), at.Sub(simStart))
	}
	x.asleep, x.sleepEnd = true, before.Sub(simStart)
	e := m.Effects()
	e.Wake()
	x.asleep = false
}

// checkWith compares the two ends of a session (I2).
func (x *simSession) checkWith(c *simClient, server servermachine.Snapshot, client clientmachine.Snapshot) {
	w, taken := x.n.w, server.Taken
	if x.over() {
		taken = server.Given // as closed says
	}
	switch {
	case client.Acked > taken:
		w.fail("I2: %s has freed lines up to %d, %s has taken up to %d", c.name, client.Acked, x.app.name, taken)
	case server.Acked > client.Taken:
		w.fail("I2: %s has freed lines up to %d, %s has taken up to %d", x.app.name, server.Acked, c.name, client.Taken)
	case client.Received > server.Written || server.Received > client.Written:
		w.fail("I1: one end of %s has received more than the other has written", c.name)
	case server.U > client.U:
		w.fail("SEL: %s has u %d, %s has sent %d at most", x.app.name, server.U, c.name, client.U)
	}
}

// move sends ?move on the selected attachment.
func (x *simSession) move() {
	c, m := x.client(), x.m.Snapshot()
	if c == nil {
		return
	}
	for _, ca := range c.sorted() {
		v := ca.serve
		if ca.att == m.Att && v != nil && v.s == x && v.stays() && v.opened && !v.ended && !ca.full(v) {
			ca.down(v, false, wire.AppendControl(wire.AppendHead(nil, 1, 0), wire.Move{}), false)
			return
		}
	}
	x.moving = true // with the next batch
}
