package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// DialConfig configures a client's end. Only Dialers is required.
type DialConfig struct {
	// Transports names the transports in order of preference. Default websocket, sse, longpoll, as far as Dialers has them.
	Transports []string
	// Dialers opens carriers, by transport name. The one for longpoll also carries what a client on sse sends.
	Dialers map[string]transport.Dialer
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// MaxMessage is the largest message taken from the server, in bytes. Default 16 MiB.
	MaxMessage int
	// Buffer bounds the bytes (payload + 16 a line) sent and not acknowledged. Default 2 MiB; the server's window bounds them too.
	Buffer int
	// Auth gives the credentials for "auth": called before the first attempt, and again when the server has refused them. It may block; ctx
	// ends with the session.
	Auth func(ctx context.Context) (json.RawMessage, error)
	// Meta is sent as "meta" with every open.
	Meta json.RawMessage
	// Memory, if not nil, keeps what the session learns of the network for the next one (HF1-LIV-19).
	Memory Memory
	// Trace is told what happens to the session's attachments. It must not block or call the session, and may be called by several goroutines
	// at once.
	Trace func(Trace)
}

// Memory keeps what the sessions to one endpoint learn of the network. It holds no secret. Its methods must not block or call the session, and
// may be called by several goroutines at once.
type Memory interface {
	// Recall gives what Remember was last given, nil if nothing. It is called when a session starts.
	Recall() []byte
	// Remember is given JSON whenever something was learned, about once a second at most.
	Remember(learned []byte)
}

// Trace is one step in the life of a session's attachments.
type Trace struct {
	// What: attach, opened, selected, detached, refused, died, suspect, proven.
	What string
	// Transport is the attachment's transport, Att its number.
	Transport string
	Att       uint64
	// Reason says why, where there is a reason to tell.
	Reason string
}

// Dial starts a client's session and returns at once: messages may be sent before anything is open. The session keeps itself connected until
// it ends: see Done, OnClose, Close.
func Dial(cfg DialConfig) *Session {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	if len(cfg.Transports) == 0 {
		for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
			if cfg.Dialers[name] != nil {
				cfg.Transports = append(cfg.Transports, name)
			}
		}
	}
	if cfg.Meta != nil && !isJSON(cfg.Meta) {
		return ended(transport.CodeMalformed, "meta is not JSON")
	}
	var memory []byte
	if cfg.Memory != nil {
		memory = cfg.Memory.Recall()
	}
	m := newClientMachine(clientConfig{
		memory: memory, remembers: cfg.Memory != nil,
		key: base64.RawURLEncoding.EncodeToString(key), transports: cfg.Transports,
		maxBatch: bound(or(cfg.MaxBatch, 65536), 2048, maxBatchBound), maxMessage: or(cfg.MaxMessage, 16<<20), win: int64(or(cfg.Buffer, 2<<20)),
		meta: cfg.Meta, random: mathrand.Float64,
	})
	ctx, stop := context.WithCancel(context.Background())
	d := &dialing{m: m, cfg: cfg, carriers: map[int]*clientCarrier{}, ctx: ctx, stop: stop}
	s := &Session{m: m, client: d}
	d.s = s
	if cfg.Auth != nil {
		m.waitAuth = true // nothing goes out without credentials
		go d.authorize(true)
		return s
	}
	s.event(func(now time.Time) { m.start(now) })
	return s
}

// ended is a session that never was.
func ended(code transport.Code, reason string) *Session {
	m := newClientMachine(clientConfig{})
	m.finish(ending{code: code, reason: reason, known: true})
	_, stop := context.WithCancel(context.Background())
	return &Session{m: m, client: &dialing{m: m, stop: stop}}
}

// dialing is the I/O of a client's session: it does what the machine asks.
type dialing struct {
	m    *clientMachine
	s    *Session
	cfg  DialConfig
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	carriers map[int]*clientCarrier
	timer    *time.Timer
	next     time.Time
}

// clientCarrier is one carrier: being dialled, read, perhaps being written.
type clientCarrier struct {
	id      int
	cancel  context.CancelFunc
	mu      sync.Mutex
	conn    transport.Conn
	ended   bool
	writing bool
	again   bool
}

// event lets the machine see something, and does what it asks.
func (s *Session) event(f func(now time.Time)) {
	s.mu.Lock()
	f(time.Now())
	fl := s.settle()
	s.mu.Unlock()
	fl.run()
}

// Wake tells a client's session that the process or its network has come back, so that it looks at once whether what carries it still lives,
// and does not wait out a back-off. A process that slept through a deadline notices by itself. A server's session takes no notice.
func (s *Session) Wake() {
	if s.client != nil {
		s.event(s.client.m.wake)
	}
}

// SetOnline tells a client's session what the platform knows of the network: while there is none no transport is blamed for failing, and when
// there is one again the session wakes. A server's session takes no notice.
func (s *Session) SetOnline(online bool) {
	if s.client != nil {
		s.event(func(now time.Time) { s.client.m.online(online, now) })
	}
}

// do does one action. It does not block.
func (d *dialing) do(a *action) {
	switch a.kind {
	case actDial:
		ctx, cancel := context.WithCancel(d.ctx)
		c := &clientCarrier{id: a.conn, cancel: cancel}
		d.mu.Lock()
		d.carriers[a.conn] = c
		d.mu.Unlock()
		go d.carry(ctx, c, a.carrier, a.transport)
	case actWrite:
		if c := d.carrier(a.conn); c != nil {
			d.write(c)
		}
	case actHangup:
		if c := d.carrier(a.conn); c != nil {
			c.hangup(a.code)
		}
	case actAuth:
		go d.authorize(false)
	case actTrace:
		if d.cfg.Trace != nil {
			d.cfg.Trace(Trace{a.trace.what, a.trace.transport, a.trace.att, a.trace.reason})
		}
	case actRemember:
		d.cfg.Memory.Remember(a.memory)
	case actOver:
		d.stop()
	}
}

func (d *dialing) carrier(id int) *clientCarrier {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.carriers[id]
}

// authorize asks the application for credentials. Without them there is no session.
func (d *dialing) authorize(first bool) {
	var auth json.RawMessage
	var err error
	if d.cfg.Auth != nil {
		auth, err = d.cfg.Auth(d.ctx)
	}
	d.s.event(func(now time.Time) {
		switch {
		case err != nil || auth != nil && !isJSON(auth):
			d.m.finish(ending{code: transport.CodeAuth, reason: "no credentials"})
		case first:
			d.m.cfg.auth, d.m.waitAuth = auth, false
			d.m.start(now)
		default:
			d.m.authorized(auth, now)
		}
	})
}

// carry dials a carrier and reads it to its end.
func (d *dialing) carry(ctx context.Context, c *clientCarrier, kind transport.Kind, name string) {
	err := d.read(ctx, c, kind, name)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	d.mu.Lock()
	delete(d.carriers, c.id)
	d.mu.Unlock()
	c.hangup(transport.CodeDetached)
	d.s.event(func(now time.Time) { d.m.closed(c.id, err, now) })
}

func (d *dialing) read(ctx context.Context, c *clientCarrier, kind transport.Kind, name string) error {
	if kind == transport.KindUp || kind == transport.KindPoll {
		name = transport.LongPoll
	}
	dialer := d.cfg.Dialers[name]
	if dialer == nil {
		return errNoDialer
	}
	b := batches.Get().(*outBatch)
	d.s.mu.Lock()
	ok := d.m.next(c.id, b, time.Now())
	d.s.mu.Unlock()
	if !ok { // it was given up before it began
		return nil
	}
	conn, err := dialer.Dial(ctx, kind, b.batch())
	b.reset()
	batches.Put(b)
	if err != nil {
		return err
	}
	if !c.opened(conn) {
		return nil
	}
	for {
		in, err := conn.Receive()
		if err != nil {
			return err
		}
		p := packets.Get().(*packet)
		d.s.event(func(now time.Time) { d.m.received(c.id, in, p, now) })
		packets.Put(p)
	}
}

var errNoDialer = errors.New("session: no dialer for the transport")

// opened keeps the conn, unless the carrier was hung up meanwhile.
func (c *clientCarrier) opened(conn transport.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		_ = conn.Close(transport.CodeDetached, "")
		return false
	}
	c.conn = conn
	return true
}

func (c *clientCarrier) hangup(code transport.Code) {
	c.mu.Lock()
	conn, first := c.conn, !c.ended
	c.ended = true
	c.mu.Unlock()
	if !first {
		return
	}
	if conn != nil {
		go func() { _ = conn.Close(code, ""); c.cancel() }() // Close may wait a moment for its close frame
		return
	}
	c.cancel()
}

// write starts the writer of a WebSocket if none runs.
func (d *dialing) write(c *clientCarrier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
	if c.writing || c.conn == nil {
		return
	}
	c.writing = true
	go d.writeAll(c)
}

func (d *dialing) writeAll(c *clientCarrier) {
	b := batches.Get().(*outBatch)
	defer func() { b.reset(); batches.Put(b) }()
	for {
		c.mu.Lock()
		if !c.again || c.ended {
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.again = false
		c.mu.Unlock()
		for {
			d.s.mu.Lock()
			ok := d.m.next(c.id, b, time.Now())
			d.s.mu.Unlock()
			if !ok {
				break
			}
			if err := c.conn.Send(b.batch()); err != nil {
				c.hangup(transport.CodeFault) // the reader sees the end
				break
			}
		}
	}
}

// setTimer wakes the machine at due; an earlier wake-up that is planned stays.
func (d *dialing) setTimer(due time.Time, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case over:
		if d.timer != nil {
			d.timer.Stop()
		}
	case due.IsZero() || !d.next.IsZero() && !due.Before(d.next):
	default:
		d.next = due
		wait := max(time.Until(due), time.Millisecond)
		if d.timer == nil {
			d.timer = time.AfterFunc(wait, d.ring)
			return
		}
		d.timer.Reset(wait)
	}
}

func (d *dialing) ring() {
	d.mu.Lock()
	d.next = time.Time{}
	d.mu.Unlock()
	d.s.event(d.m.tick)
}
