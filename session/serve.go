package session

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-rt/holdfast/internal/aside"
	"github.com/holdfast-rt/holdfast/transport"
)

// carrier is the I/O side's part of a serverConn. Nobody writes, and no stack is held for it, while there is nothing to write.
type carrier struct {
	s     *Session
	conn  transport.Conn
	w     waker
	state atomic.Int32  // of the writer
	run   func()        // the writer, kept so that starting it allocates nothing; nil before the first
	over  chan struct{} // of a POST or a stream: closed when its last batch was written
}

// idler is a carrier whose peer can be waited for apart from Receive: for that a small stack is enough. Wait returns true when Receive has
// something to return, false when limit has passed; 0 is no limit.
type idler interface {
	Wait(limit time.Duration) bool
}

// readOn is how long a reader stays after a batch: to start another costs more, and messages come in flocks.
const readOn = 100 * time.Millisecond

// waker is told that a carrier may have something to write. It must not block.
type waker interface{ wake(c *serverConn) }

// releaser is a carrier of one batch up, which can give its memory back before the carrier ends.
type releaser interface{ Release() }

var (
	batches = sync.Pool{New: func() any { return new(outBatch) }}
	packets = sync.Pool{New: func() any { return new(packet) }}
)

// Serve serves one carrier. For a WebSocket it runs until that ends, and is best called on a goroutine of its own after the HTTP handler has
// returned, so that the request's memory is free; for a POST or a stream it is called by the handler and returns when the answer is written.
// It ends the carrier in every case. ctx is given to Authenticate, and ends a POST or a stream. A panic of Authenticate or OnSession goes on
// to the caller of Serve.
func (t *Table) Serve(ctx context.Context, conn transport.Conn, who *Peer) {
	if conn.Kind() == transport.KindSocket {
		t.serveSocket(ctx, conn, who)
		return
	}
	c := &serverConn{kind: conn.Kind()}
	c.conn, c.w, c.over = conn, writerWaker{}, make(chan struct{})
	defer func() { _ = conn.Close(transport.CodeDetached, "") }()
	if t.first(ctx, c, who) {
		c.answer(ctx)
	}
}

// ServeTicket serves an event stream that was opened with a ticket.
func (t *Table) ServeTicket(ctx context.Context, conn transport.Conn, k Ticket) bool {
	c := &serverConn{kind: transport.KindStream}
	c.conn, c.w, c.over = conn, writerWaker{}, make(chan struct{})
	defer func() { _ = conn.Close(transport.CodeDetached, "") }()
	s := t.Session(k.id)
	if s == nil {
		return false
	}
	s.mu.Lock()
	if s.m.ended() != nil || s.server.run != k.run || k.recv > s.server.out.sent {
		s.mu.Unlock()
		return false
	}
	c.s = s
	s.server.open(c, &openControl{V: []uint64{1}, Run: k.run, Att: k.att, U: k.u, Recv: k.recv, Lim: limControl{MaxBatch: 65536}}, &packet{first: 1}, time.Now())
	f := s.settle()
	s.mu.Unlock()
	f.run()
	c.answer(ctx)
	return true
}

// Valid says whether the ticket's session still lives, to answer 204 before a stream is begun.
func (t *Table) Valid(k Ticket) bool {
	s := t.Session(k.id)
	return s != nil && s.server.run == k.run
}

// first takes a carrier's first batch. False: there is nothing more to do with it.
//
// That takes a deep stack, and stacks hardly shrink: so it has a goroutine of its own, and the one that will wait for as long as the
// carrier lives stays small.
func (t *Table) first(ctx context.Context, c *serverConn, who *Peer) (taken bool) {
	defer func() {
		if !taken { // also when it panicked
			_ = c.conn.Close(transport.CodeFault, "")
		}
	}()
	aside.Run(func() { taken = t.take(ctx, c, who) })
	return taken
}

func (t *Table) take(ctx context.Context, c *serverConn, who *Peer) bool {
	b, err := c.conn.Receive()
	if err != nil {
		return false
	}
	p := packets.Get().(*packet)
	s, fresh := t.handle(ctx, c, b, p, who, time.Now())
	packets.Put(p)
	if r, ok := c.conn.(releaser); ok {
		r.Release()
	}
	if s == nil {
		t.alone(c)
		return false
	}
	if fresh && t.cfg.OnSession != nil {
		s.begin()
	}
	s.mu.Lock()
	f := s.settle()
	s.mu.Unlock()
	f.run()
	return true
}

// alone writes the answer of a carrier that no session took.
func (t *Table) alone(c *serverConn) {
	head := append(appendHead(nil, 1, 0), c.ctl...)
	if c.conn.Send(transport.Batch{Parts: [][]byte{head}}) == nil && c.kind == transport.KindSocket {
		_ = c.conn.Close(c.code(), "")
	}
}

// answer waits until a POST or a stream has said what it has to say.
func (c *serverConn) answer(ctx context.Context) {
	c.w.wake(c)
	select {
	case <-c.over:
	case <-ctx.Done():
		c.s.closed(c, true)
	}
}

// writeNext writes batches until there are no more. more: the carrier goes on.
func (s *Session) writeNext(c *serverConn) (more bool, err error) {
	b := batches.Get().(*outBatch)
	defer func() { b.reset(); batches.Put(b) }()
	for {
		s.mu.Lock()
		ok := s.server.next(c, b, time.Now())
		last := b.last
		due := s.server.deadline
		s.mu.Unlock()
		if !ok {
			s.table.setTimer(s, due)
			return !last, nil
		}
		if err := c.conn.Send(b.batch()); err != nil {
			return false, err
		}
		if last {
			return false, nil
		}
	}
}

// closed books the end of a carrier.
func (s *Session) closed(c *serverConn, broken bool) {
	s.mu.Lock()
	s.server.closed(c, broken, time.Now())
	f := s.settle()
	s.mu.Unlock()
	f.run()
}

// serveSocket reads a WebSocket until it ends. Where the waiting can be told from the reading, this goroutine only waits, on a small stack,
// and another reads for as long as batches follow each other.
func (t *Table) serveSocket(ctx context.Context, conn transport.Conn, who *Peer) {
	c := &serverConn{kind: transport.KindSocket}
	c.conn, c.w = conn, writerWaker{}
	if !t.first(ctx, c, who) {
		return
	}
	idle, ok := conn.(idler)
	if !ok {
		c.read(nil)
		return
	}
	var reading sync.WaitGroup // a channel would be six times as large
	ended := false
	read := func() { ended = !c.read(idle); reading.Done() }
	for !ended {
		idle.Wait(0)
		reading.Add(1)
		go read()
		reading.Wait()
	}
}

// read takes batches until none has come for a while; false: the carrier has ended.
func (c *serverConn) read(idle idler) bool {
	for {
		b, err := c.conn.Receive()
		if err != nil {
			c.s.closed(c, !errors.Is(err, io.EOF))
			_ = c.conn.Close(transport.CodeFault, "")
			return false
		}
		p := packets.Get().(*packet)
		c.s.frame(c, b, p, time.Now())
		packets.Put(p)
		c.s.mu.Lock()
		f := c.s.settle()
		c.s.mu.Unlock()
		f.run()
		if idle != nil && !idle.Wait(readOn) {
			return true
		}
	}
}

// writerWaker starts a carrier's writer, which lives while there is something to write.
type writerWaker struct{}

const (
	writerIdle = iota
	writerBusy
	writerAgain // woken while it was writing
)

func (writerWaker) wake(c *serverConn) {
	for {
		switch n := c.state.Load(); n {
		case writerIdle:
			if c.state.CompareAndSwap(writerIdle, writerBusy) {
				if c.run == nil {
					c.run = c.write
				}
				go c.run()
				return
			}
		default:
			if n == writerAgain || c.state.CompareAndSwap(n, writerAgain) {
				return
			}
		}
	}
}

func (c *serverConn) write() {
	for {
		more, err := c.s.writeNext(c)
		if err != nil || !more {
			c.s.closed(c, err != nil)
			_ = c.conn.Close(c.code(), "")
			if c.over != nil {
				close(c.over)
			}
			return
		}
		if c.state.CompareAndSwap(writerBusy, writerIdle) {
			return
		}
		c.state.Store(writerBusy)
	}
}

// code is the close code of a carrier that the server ends. It is asked after the last word was written, so nothing moves any more.
func (c *serverConn) code() transport.Code { return or(c.why, transport.CodeDetached) }

// newServerSession makes the server's end of a session.
func newServerSession(t *Table, id, principal string, who *Peer, now time.Time) *Session {
	m := newServerMachine(&t.machine, id, principal, who.Origin, now)
	return &Session{m: m, server: m, table: t, id: id, principal: principal, addr: who.Addr, header: kept(who.Header, t.cfg.KeepHeaders)}
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
