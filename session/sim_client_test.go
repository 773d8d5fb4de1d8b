package session

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// simClient is the process of a client: its machine, its carriers, its application.
type simClient struct {
	w          *world
	name       string
	m          *clientmachine.Machine
	cfg        clientmachine.Config // of the machine
	id         string               // of its session
	app        *simApp
	carriers   map[int]*simCarrier
	tickAt     time.Duration           // when the machine is next woken; 0: never
	frozen     time.Duration           // asleep until then
	gone       bool                    // restarted: this process has ended
	expected   map[transport.Code]bool // how its session may end, because of a fault that happened
	epoch      int                     // of its first credentials
	stale      bool                    // its credentials are always refused
	corrupting bool                    // some of its batches are changed
	foreign    map[uint64][]byte       // controls for the next POST of an attachment, by its number: see inject
	packet     wire.Packet
	batch      logs.Batch
	checked    bool
}

func newSimClient(w *world) *simClient {
	w.uids++
	uid := w.seed<<20 | w.uids
	raw := make([]byte, wire.KeyBytes)
	for i := range raw {
		raw[i] = byte(mix(uid + uint64(i)))
	}
	key := base64.RawURLEncoding.EncodeToString(raw)
	c := &simClient{
		w: w, name: fmt.Sprintf("c%d", w.uids), carriers: map[int]*simCarrier{},
		expected: map[transport.Code]bool{}, foreign: map[uint64][]byte{},
	}
	c.id, _ = wire.SessionID(key)
	c.cfg = clientmachine.Config{
		Key: key, Transports: w.profile.transports, MaxBatch: w.profile.clientBatch, MaxMessage: 1 << 20,
		Buffer: w.profile.clientWindow, Window: w.profile.clientWindow, Random: w.rng.Float64,
	}
	c.cfg.Memory, c.cfg.Remembers = w.memory(), true
	c.cfg.Auth, c.epoch = c.credentials(), w.profile.epoch
	if w.rng.IntN(4) == 0 {
		c.cfg.Meta = json.RawMessage(`{"path":"/a b","n":[1,2,{"x":null}]}`)
	}
	c.app = &simApp{
		w: w, name: c.name, uid: uid<<1 | 1, changed: c.act, peer: c.peer, ends: c.ends,
		plan: w.profile.plan(w), maxHandling: w.profile.maxHandling,
	}
	c.makeMachine()
	w.clients = append(w.clients, c)
	w.counts.sessions++
	return c
}

// makeMachine makes the machine, and does not start it.
func (c *simClient) makeMachine() {
	c.m = clientmachine.New(c.cfg)
	c.app.m = c.m
}

// memory is what an earlier client of this world has learned, sometimes damaged.
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
	return json.RawMessage(fmt.Sprintf(`{"user":%q,"epoch":%d}`, c.name, c.w.profile.epoch))
}

// peer is the server's application of the run that this client knows.
func (c *simClient) peer() *simApp {
	if s := c.session(); s != nil {
		return s.app
	}
	return nil
}

// session is the session that the client is attached to, at the node that has or had the run.
func (c *simClient) session() *simSession {
	for _, n := range c.w.nodes {
		if s := n.runs[c.m.Run()]; s != nil {
			return s
		}
	}
	return nil
}

// ends are the applications that may have received what this client sent. If it knows no run yet,
// every session with its key may have received it.
func (c *simClient) ends() (apps []*simApp) {
	for _, n := range c.w.nodes {
		for _, s := range n.sessions {
			if s.m.ID() == c.id && (c.m.Run() == "" || c.m.Run() == s.m.Run()) {
				apps = append(apps, s.app)
			}
		}
	}
	return apps
}

func (c *simClient) start() {
	c.w.tracef("%s starts", c.name)
	c.m.Start(c.w.now())
	c.act()
	c.app.pace()
}

func (c *simClient) over() bool { return c.app.over() }

// do runs f at the client, when it is awake.
func (c *simClient) do(f func()) {
	switch {
	case c.gone:
	case c.w.at < c.frozen:
		c.w.when(c.frozen, func() { c.do(f) })
	default:
		f()
	}
}

// act does what the machine asks, and checks the invariants.
func (c *simClient) act() {
	if c.gone {
		return
	}
	for _, e := range slices.Clone(c.m.Effects()) {
		c.actOne(e)
	}
	c.plan()
	c.check()
	c.app.take()
}

func (c *simClient) actOne(e clientmachine.Effect) {
	switch e.Kind {
	case clientmachine.Dial:
		newSimCarrier(c, e)
	case clientmachine.Write:
		c.carriers[e.Conn].wakeWriter()
	case clientmachine.HangUp:
		if ca := c.carriers[e.Conn]; ca != nil {
			ca.hangUp()
		}
	case clientmachine.AskAuth:
		c.w.after(c.w.between(0, 300*time.Millisecond), func() {
			c.do(func() { c.m.Authorized(c.credentials(), c.w.now()); c.act() })
		})
	case clientmachine.Traced:
		t := traceOf(e.Trace)
		c.w.tracef("%s %s %s/%d %s", c.name, t.What, t.Transport, t.Att, t.Reason)
	case clientmachine.Over:
		c.ended()
	case clientmachine.Remember:
		c.w.remembered = e.Memory
	}
}

// plan wakes the machine at its deadline, or a little later, as a timer of the platform does.
func (c *simClient) plan() {
	if c.m.Deadline().IsZero() {
		return
	}
	due := max(c.m.Deadline().Sub(simStart), c.w.at+time.Millisecond)
	if c.tickAt > c.w.at && c.tickAt <= due {
		return
	}
	c.tickAt = due
	c.w.when(due, func() {
		c.do(func() {
			if c.tickAt == due {
				c.tickAt = 0
			}
			if !c.over() {
				c.m.Tick(c.w.now())
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
	c.m.Receive(ca.id, b, &c.packet, c.w.now())
	c.act()
}

// lost tells the machine that a carrier has ended.
func (c *simClient) lost(ca *simCarrier, fault error) {
	if !ca.open {
		return
	}
	ca.drop()
	c.m.Closed(ca.id, fault, c.w.now())
	c.act()
}

// inject sends a control that the client's machine has not written: at once on a WebSocket, else
// with the next POST of the attachment.
func (c *simClient) inject(att uint64, v wire.Control) {
	for _, ca := range c.sorted() {
		if ca.att == att && ca.kind == transport.KindSocket {
			ca.up(false, wire.AppendControl(wire.AppendHead(nil, 1, 0), v), false)
			return
		}
	}
	c.foreign[att] = wire.AppendControl(c.foreign[att], v)
}

// check checks I2, I6 and what must be true of the two ends together, after every event.
func (c *simClient) check() {
	m := c.m.Snapshot()
	if s := c.session(); s != nil {
		s.checkWith(c, s.m.Snapshot(), m)
	} else if m.Acked > 0 && !c.over() {
		c.w.fail("I2: %s has freed lines up to %d before any session took them", c.name, m.Acked)
	}
	switch {
	case m.Requests > 2: // of one attachment; during a switch the old and the new one have two each
		c.w.fail("POL-04: %s has %d requests in flight on one attachment", c.name, m.Requests)
	case m.Attachments > machine.MaxAttachments:
		c.w.fail("I6: %s has %d attachments", c.name, m.Attachments)
	case m.Conns > 3*machine.MaxAttachments:
		c.w.fail("I6: %s has %d conns", c.name, m.Conns)
	case m.QueuedControls > 8<<10:
		c.w.fail("I6: %s has %d bytes of controls to write", c.name, m.QueuedControls)
	case m.Held > c.w.profile.heldBound:
		c.w.fail("I6: %s holds %d received bytes", c.name, m.Held)
	}
	c.checkPunctual(m)
	if n := c.m.Buffered(); n > c.cfg.Buffer+(64<<10) {
		c.w.fail("I6: %s buffers %d bytes, its buffer is %d", c.name, n, c.cfg.Buffer)
	}
}

// checkPunctual wakes the machine between two deadlines. It must have nothing to do then, and must
// not plan an earlier deadline.
func (c *simClient) checkPunctual(m clientmachine.Snapshot) {
	before, now := c.m.Deadline(), c.w.now()
	if c.w.rng.IntN(16) > 0 || c.over() || m.Effects > 0 || !before.IsZero() && !before.After(now) {
		return
	}
	c.m.Tick(now)
	for _, e := range c.m.Effects() {
		if e.Kind != clientmachine.Write {
			c.w.fail("LIV-07: the next deadline of %s was %v, and it had this to do before: %+v",
				c.name, before.Sub(simStart), e)
		}
		c.carriers[e.Conn].wakeWriter()
	}
	if at := c.m.Deadline(); !at.IsZero() && (before.IsZero() || at.Before(before)) {
		c.w.fail("LIV-07: the next deadline of %s was %v, and after a tick it is %v",
			c.name, before.Sub(simStart), at.Sub(simStart))
	}
}

// ended checks how the session ended (I4), and starts a new client in the fault phase.
func (c *simClient) ended() {
	if c.checked {
		return
	}
	c.checked = true
	c.w.counts.learned += c.m.Snapshot().Learned
	e, _ := c.m.Ending()
	c.w.tracef("%s over: %d %q known=%v remote=%v", c.name, e.Code, e.Reason, e.Known, e.Remote)
	c.w.counts.ends[e.Code]++
	if !c.explained(e.Code) {
		c.w.fail("I4: %s ended with %d %q, and no fault or close explains that", c.name, e.Code, e.Reason)
	}
	for _, ca := range c.sorted() {
		ca.hangUp()
	}
	c.app.checkFates()
	if !c.w.quiet && !c.app.closed && len(c.w.clients) < 40 {
		c.w.after(c.w.between(0, time.Second), newSimClient(c.w).start)
	}
}

// explained reports whether the session may end with the code: one of the applications closed it,
// or a fault happened that may end it.
func (c *simClient) explained(code transport.Code) bool {
	if c.expected[code] || c.app.closed {
		return true
	}
	s := c.session()
	switch code {
	case transport.CodeDone, transport.CodeApplication, transport.CodeDraining:
		return s != nil && s.app.closed
	case transport.CodeLost: // its server lost it, or requests for it reached another server
		return s != nil && (s.lost || s.n != c.w.nodes[0] || c.w.misrouted > 1 || s.over())
	case transport.CodeAuth: // its credentials were refused twice
		return c.w.profile.epoch >= c.epoch+2
	case transport.CodeExpired:
		if s == nil {
			return false
		}
		e, over := s.m.Ending()
		return over && e.Code == code
	default:
		return false
	}
}

// restart ends this process at once, and starts another one.
func (c *simClient) restart() {
	c.gone, c.app.dead = true, true
	for _, ca := range c.sorted() {
		ca.abandon(c.w.rng.IntN(2) == 0)
	}
	if len(c.w.clients) < 40 {
		c.w.after(c.w.between(0, time.Second), newSimClient(c.w).start)
	}
}

// sorted lists the carriers in the order of their ids: that of a map is random.
func (c *simClient) sorted() []*simCarrier {
	all := make([]*simCarrier, 0, len(c.carriers))
	for id := range c.m.Snapshot().LastConn {
		if ca := c.carriers[id+1]; ca != nil {
			all = append(all, ca)
		}
	}
	return all
}

// close closes the session from one end or both, when the world ends.
func (c *simClient) close() {
	if c.gone || c.over() {
		return
	}
	peer := c.peer()
	switch c.w.rng.IntN(3) {
	case 0:
		peer.close(transport.CodeDone)
	case 1:
		peer.close(transport.CodeApplication)
		fallthrough
	default:
		c.app.close(transport.CodeDone)
	}
}

// undelivered says what has not arrived.
func (c *simClient) undelivered() string {
	if c.gone || c.over() {
		return ""
	}
	if c.m.Run() == "" {
		return c.name + " never attached"
	}
	s := c.session()
	switch m := c.m; {
	case !c.app.sentAll() && !c.app.closed:
		return fmt.Sprintf("%s has sent %d of %d", c.name, c.app.sent, c.app.plan)
	case m.Acked() < m.Sent():
		return fmt.Sprintf("%s: %d of %d up lines are acknowledged, the server has %d",
			c.name, m.Acked(), m.Sent(), s.m.Snapshot().Received)
	case s == nil:
		return ""
	case !s.app.sentAll() && !s.app.closed && !s.lost && !s.over():
		return fmt.Sprintf("%s: the server's application has sent %d of %d", c.name, s.app.sent, s.app.plan)
	case s.m.Acked() < s.m.Sent():
		return fmt.Sprintf("%s: %d of %d down lines are acknowledged, the client has %d",
			c.name, s.m.Acked(), s.m.Sent(), m.Snapshot().Received)
	}
	return ""
}
