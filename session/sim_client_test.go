package session

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

func closeCodeOf(n uint64) transport.Code { return transport.Code(n) }

// simClient is a client's process: its machine, its carriers, its application.
type simClient struct {
	w         *world
	name      string
	m         *clientMachine
	id        string // of its session
	app       *simApp
	carriers  map[int]*simCarrier
	tickAt    time.Duration // when the machine is next woken; 0: never
	frozen    time.Duration // asleep until then
	gone      bool          // restarted: this process is no more
	doomed    map[transport.Code]bool
	epoch     int  // of its first credentials
	stale     bool // its credentials are never good
	breaching bool // some of its batches are changed
	packet    packet
	batch     outBatch
	checked   bool
}

func newSimClient(w *world) *simClient {
	w.uids++
	uid := w.seed<<20 | w.uids
	raw := make([]byte, keyBytes)
	for i := range raw {
		raw[i] = byte(mix(uid + uint64(i)))
	}
	key := base64.RawURLEncoding.EncodeToString(raw)
	c := &simClient{w: w, name: fmt.Sprintf("c%d", w.uids), carriers: map[int]*simCarrier{}, doomed: map[transport.Code]bool{}}
	c.id, _ = idOf(key)
	cfg := clientConfig{key: key, transports: w.weather.transports, maxBatch: w.weather.clientBatch, maxMessage: 1 << 20, win: w.weather.clientWindow, random: w.rng.Float64}
	cfg.memory, cfg.remembers = w.memory(), true
	cfg.auth, c.epoch = c.credentials(), w.weather.epoch
	if w.rng.IntN(4) == 0 {
		cfg.meta = json.RawMessage(`{"path":"/a b","n":[1,2,{"x":null}]}`)
	}
	c.m = newClientMachine(cfg)
	c.app = &simApp{
		w: w, name: c.name, m: c.m, uid: uid<<1 | 1, s: &Session{m: c.m, client: &dialing{m: c.m}}, changed: c.act, peer: c.peer, ends: c.ends,
		plan: w.weather.plan(w), patient: w.weather.patience,
	}
	w.clients = append(w.clients, c)
	w.counts.sessions++
	return c
}

// memory is what an earlier client of this world has left, or what somebody else has written there.
func (w *world) memory() []byte {
	memory := w.remembered
	if len(memory) > 0 && w.rng.IntN(3) == 0 {
		memory = bytes.Clone(memory)
		for range 1 + w.rng.IntN(3) {
			memory[w.rng.IntN(len(memory))] = byte(pick(w, '0', '9', ',', '"', 'x', '-'))
		}
	}
	return memory
}

func (c *simClient) credentials() json.RawMessage {
	if c.stale {
		return json.RawMessage(`{"user":"nobody","epoch":-1}`)
	}
	return json.RawMessage(fmt.Sprintf(`{"user":%q,"epoch":%d}`, c.name, c.w.weather.epoch))
}

// peer is the application of the run that this client was told of.
func (c *simClient) peer() *simApp {
	if s := c.session(); s != nil {
		return s.app
	}
	return nil
}

// session is what the client is attached to: whatever node has, or had, the run.
func (c *simClient) session() *simSession {
	for _, n := range c.w.nodes {
		if s := n.runs[c.m.run]; s != nil {
			return s
		}
	}
	return nil
}

// ends is who may have been handed what this client sent: a client that was told of no run may have been heard all the same.
func (c *simClient) ends() (apps []*simApp) {
	for _, n := range c.w.nodes {
		for _, s := range n.sessions {
			if s.s.id == c.id && (c.m.run == "" || c.m.run == s.s.server.run) {
				apps = append(apps, s.app)
			}
		}
	}
	return apps
}

func (c *simClient) start() {
	c.w.tracef("%s starts", c.name)
	c.m.start(c.w.now())
	c.act()
	c.app.pace()
}

func (c *simClient) over() bool { return c.m.over != nil }

// do lets something happen at the client, when it is awake.
func (c *simClient) do(f func()) {
	switch {
	case c.gone:
	case c.w.at < c.frozen:
		c.w.when(c.frozen, func() { c.do(f) })
	default:
		f()
	}
}

// act does what the machine asks, and looks at the invariants.
func (c *simClient) act() {
	if c.gone {
		return
	}
	for _, a := range append([]action(nil), c.m.drain()...) {
		switch a.kind {
		case actDial:
			newSimCarrier(c, a)
		case actWrite:
			c.carriers[a.conn].wakeWriter()
		case actHangup:
			if ca := c.carriers[a.conn]; ca != nil {
				ca.hangup()
			}
		case actAuth:
			c.w.after(c.w.between(0, 300*time.Millisecond), func() {
				c.do(func() { c.m.authorized(c.credentials(), c.w.now()); c.act() })
			})
		case actTrace:
			c.w.tracef("%s %s %s/%d %s", c.name, a.trace.what, a.trace.transport, a.trace.att, a.trace.reason)
		case actOver:
			c.ended()
		case actRemember:
			c.w.remembered = a.memory
		}
	}
	c.plan()
	c.check()
	c.app.take()
}

// plan wakes the machine at its deadline, as a timer of the platform would: a little late.
func (c *simClient) plan() {
	if c.m.deadline.IsZero() {
		return
	}
	due := max(c.m.deadline.Sub(simStart), c.w.at+time.Millisecond)
	if c.tickAt > c.w.at && c.tickAt <= due {
		return
	}
	c.tickAt = due
	c.w.when(due, func() {
		c.do(func() {
			if c.tickAt == due {
				c.tickAt = 0
			}
			if c.m.over == nil {
				c.m.tick(c.w.now())
				c.act()
			}
		})
	})
}

// read gives the machine a batch of a carrier.
func (c *simClient) read(ca *simCarrier, b transport.Batch) {
	if !ca.open {
		return
	}
	c.m.received(ca.id, b, &c.packet, c.w.now())
	c.act()
}

// lost tells the machine that a carrier has ended.
func (c *simClient) lost(ca *simCarrier, fault error) {
	if !ca.open {
		return
	}
	ca.drop()
	c.m.closed(ca.id, fault, c.w.now())
	c.act()
}

// check is I2, I6 and what must hold between the two ends, after every event.
func (c *simClient) check() {
	m := c.m
	if s := c.session(); s != nil {
		s.checkWith(c)
	} else if m.out.base > 0 && m.over == nil {
		c.w.fail("I2: %s has freed up to %d before any session took it", c.name, m.out.base)
	}
	ctl := 0
	for _, p := range m.paths {
		ctl = max(ctl, len(p.ctl))
		if n := requests(m, p); n > 2 {
			c.w.fail("POL-04: %s has %d requests under way on %s/%d", c.name, n, p.way.name, p.att)
		}
	}
	switch {
	case len(m.paths) > maxPaths:
		c.w.fail("I6: %s has %d paths", c.name, len(m.paths))
	case len(m.conns) > 3*maxPaths:
		c.w.fail("I6: %s has %d carriers", c.name, len(m.conns))
	case ctl > 8<<10:
		c.w.fail("I6: %s has %d bytes of controls to write", c.name, ctl)
	case m.in.held > c.w.weather.heldBound:
		c.w.fail("I6: %s holds %d bytes", c.name, m.in.held)
	}
	c.punctual()
	if win := m.cfg.win; m.out.bytes() > win+(64<<10) { // the window that opened tells may be less than what was kept before
		c.w.fail("I6: %s keeps %d bytes, its window is %d", c.name, m.out.bytes(), win)
	}
}

// requests counts the carriers of a path (HF1-POL-04): a session that switches has those of the old path and of the new.
func requests(m *clientMachine, p *clientPath) (n int) {
	for _, c := range m.conns {
		if c.path == p {
			n++
		}
	}
	return n
}

// punctual: a machine that is woken for no reason must find nothing to do, and no deadline that it had not planned.
func (c *simClient) punctual() {
	m, now := c.m, c.w.now()
	if c.w.rng.IntN(16) > 0 || m.over != nil || len(m.actions) > 0 || !m.deadline.IsZero() && !m.deadline.After(now) {
		return
	}
	before := m.deadline
	m.tick(now)
	for _, a := range m.drain() {
		if a.kind != actWrite {
			c.w.fail("LIV-07: %s would have slept until %v, and had %+v to do", c.name, before.Sub(simStart), a)
		}
		c.carriers[a.conn].wakeWriter()
	}
	if at := m.deadline; !at.IsZero() && (before.IsZero() || at.Before(before)) {
		c.w.fail("LIV-07: %s would have slept until %v, and has something to do at %v", c.name, before.Sub(simStart), at.Sub(simStart))
	}
}

// ended looks at how the session ended (I4), and starts anew if the storm is not over.
func (c *simClient) ended() {
	if c.checked {
		return
	}
	c.checked = true
	for _, way := range c.m.ways {
		if way.idle > 0 {
			c.w.counts.learned++
		}
		if way.age > 0 {
			c.w.counts.learned++
		}
	}
	e := *c.m.over
	c.w.tracef("%s over: %d %q known=%v remote=%v", c.name, e.code, e.reason, e.known, e.remote)
	c.w.counts.ends[e.code]++
	if !c.explained(e.code) {
		c.w.fail("I4: %s ended with %d %q, and nothing that happened accounts for it", c.name, e.code, e.reason)
	}
	for _, ca := range c.carriers {
		ca.hangup()
	}
	c.app.checkFates()
	if !c.w.calm && !c.app.closed && len(c.w.clients) < 40 {
		c.w.after(c.w.between(0, time.Second), newSimClient(c.w).start)
	}
}

// explained: a session ends by its application's will, its server's, or a thing that the rules let end it.
func (c *simClient) explained(code transport.Code) bool {
	if c.doomed[code] || c.app.closed {
		return true
	}
	s := c.session()
	switch code {
	case transport.CodeDone, transport.CodeApplication, transport.CodeDraining:
		return s != nil && s.app.closed
	case transport.CodeLost: // its server forgot it, or a request for it reached another more than once
		return s != nil && (s.lost || s.n != c.w.nodes[0] || c.w.strays > 1 || s.s.server.over != nil)
	case transport.CodeAuth: // its credentials were refused, and so were the next
		return c.w.weather.epoch >= c.epoch+2
	case transport.CodeExpired:
		return s != nil && s.s.server.over != nil && s.s.server.over.code == code
	default:
		return false
	}
}

// restart ends this process without a word, and starts another.
func (c *simClient) restart() {
	c.gone, c.app.dead = true, true
	for _, ca := range c.sorted() {
		ca.abandon(c.w.rng.IntN(2) == 0)
	}
	if len(c.w.clients) < 40 {
		c.w.after(c.w.between(0, time.Second), newSimClient(c.w).start)
	}
}

// sorted lists the carriers in an order that does not depend on the map.
func (c *simClient) sorted() []*simCarrier {
	all := make([]*simCarrier, 0, len(c.carriers))
	for id := range c.m.ids {
		if ca := c.carriers[id+1]; ca != nil {
			all = append(all, ca)
		}
	}
	return all
}

// close is the end of the world: either side closes.
func (c *simClient) close() {
	if c.gone || c.over() {
		return
	}
	peer := c.peer()
	switch c.w.rng.IntN(3) {
	case 0:
		peer.close(uint64(transport.CodeDone))
	case 1:
		peer.close(uint64(transport.CodeApplication))
		fallthrough
	default:
		c.app.close(uint64(transport.CodeDone))
	}
}

// unsettled says what has not arrived.
func (c *simClient) unsettled() string {
	if c.gone || c.over() {
		return ""
	}
	if c.m.run == "" {
		return c.name + " never attached"
	}
	s := c.session()
	switch m := c.m; {
	case !c.app.sentAll() && !c.app.closed:
		return fmt.Sprintf("%s has sent %d of %d", c.name, c.app.sent, c.app.plan)
	case m.out.base < m.out.last():
		return fmt.Sprintf("%s: %d of %d up lines are acknowledged, the server has %d", c.name, m.out.base, m.out.last(), s.s.server.in.recv)
	case s == nil:
		return ""
	case !s.app.sentAll() && !s.app.closed && !s.lost && s.s.server.over == nil:
		return fmt.Sprintf("%s: the server's application has sent %d of %d", c.name, s.app.sent, s.app.plan)
	case s.s.server.out.base < s.s.server.out.last():
		return fmt.Sprintf("%s: %d of %d down lines are acknowledged, the client has %d", c.name, s.s.server.out.base, s.s.server.out.last(), m.in.recv)
	}
	return ""
}
