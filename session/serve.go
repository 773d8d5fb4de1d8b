package session

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/freshstack"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// idler is a conn whose peer can be waited for apart from Receive: for that a small stack is
// enough. Wait returns true when Receive has something to return, false when limit has passed; 0 is
// no limit.
type idler interface {
	Wait(limit time.Duration) bool
}

// releaser is a conn of one batch up, which can give its memory back before it ends.
type releaser interface{ Release() }

// readOn is how long a reader stays after a batch: to start another costs more, and messages come
// close together.
const readOn = 100 * time.Millisecond

var packets = sync.Pool{New: func() any { return new(wire.Packet) }}

// Serve serves one conn. For a WebSocket it runs until that ends, and is best called on a goroutine
// of its own after the HTTP handler has returned, so that the request's memory is free; for a POST
// or a stream it is called by the handler and returns when the answer is written. It ends the conn
// in every case. ctx is given to Authenticate, and ends a POST or a stream. A panic of Authenticate
// or OnSession goes on to the caller of Serve.
func (r *Registry) Serve(ctx context.Context, conn transport.Conn, who *Peer) {
	if conn.Kind() == transport.KindSocket {
		r.serveSocket(ctx, conn, who)
		return
	}
	r.ServeExchange(ctx, func() transport.Conn { return conn }, who)
}

// ServeExchange is Serve for a POST or a stream that accept makes; nil: it was answered already.
// accept runs on a goroutine of its own, beside the one that will wait.
func (r *Registry) ServeExchange(ctx context.Context, accept func() transport.Conn, who *Peer) {
	c := new(serverConn)
	defer c.close(transport.CodeDetached)
	if r.acceptFirst(ctx, c, accept, who) {
		c.answer(ctx)
	}
}

// ServeTicket is ServeExchange for an event stream that was opened with a ticket. False: the
// ticket's session is gone, or accept has made nothing.
func (r *Registry) ServeTicket(ctx context.Context, accept func() transport.Conn, k Ticket) (served bool) {
	s := r.find(k.t.Session)
	if s == nil {
		return false
	}
	c := &serverConn{s: s}
	defer c.close(transport.CodeDetached)
	freshstack.Run(func() {
		if !c.start(accept()) {
			return
		}
		s.update(func(now time.Time) { served = s.machine.OpenTicket(&c.Conn, k.t, now) })
	})
	if served {
		c.answer(ctx)
	}
	return served
}

// acceptFirst makes a conn and takes its first batch. False: there is nothing more to do with it.
//
// That takes a deep stack, and stacks hardly shrink: so it has a goroutine of its own, and the one
// that will wait for as long as the conn lives stays small.
func (r *Registry) acceptFirst(
	ctx context.Context, c *serverConn, accept func() transport.Conn, who *Peer,
) (accepted bool) {
	defer func() {
		if !accepted { // also when it panicked
			c.close(transport.CodeFault)
		}
	}()
	freshstack.Run(func() {
		accepted = c.start(accept()) && r.readFirst(ctx, c, who)
	})
	return accepted
}

// readFirst reads the first batch of a conn and gives it to its session.
func (r *Registry) readFirst(ctx context.Context, c *serverConn, who *Peer) bool {
	b, err := c.conn.Receive()
	if err != nil {
		return false
	}
	p := packets.Get().(*wire.Packet)
	s, fresh := r.handle(ctx, c, b, p, who, time.Now())
	packets.Put(p)
	if conn, ok := c.conn.(releaser); ok {
		conn.Release()
	}
	if s == nil {
		c.replyUnattached()
		return false
	}
	if fresh && r.cfg.OnSession != nil {
		s.mu.Lock()
		seen := s.machine.Observations() // OnSession may take long
		s.mu.Unlock()
		s.observe(seen)
		s.start()
	}
	s.update(func(time.Time) {})
	return true
}

// handle takes the first batch of conn c: it admits it to a session, new or known, and lets it act
// there. The answer is then had from the session's machine, or from c alone if no session took it.
func (r *Registry) handle(
	ctx context.Context, c *serverConn, b transport.Batch, p *wire.Packet, who *Peer, now time.Time,
) (s *serverSession, fresh bool) {
	// Nothing was advertised to a client that speaks first: it goes by the default, and may send
	// early messages (HF1-BAT-05, HF1-ATT-08).
	limit := max(r.cfg.MaxBatch, transport.DefaultMaxBatch)
	req, err := servermachine.ParseRequest(c.Kind(), b, p, limit)
	if err == nil {
		s, fresh, err = r.admit(ctx, c, &req, who, now)
	}
	if err != nil {
		r.refuse(c, who, err)
		return nil, false
	}
	if s == nil { // a tombstone has answered
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.machine.ReceiveFirst(&c.Conn, &req, s.isOver(), now) { // it ended between lookup and here
		return nil, false
	}
	c.s = s
	return s, fresh
}

// serveSocket reads a WebSocket until it ends. Where the waiting can be told from the reading, this
// goroutine only waits, on a small stack, and another reads for as long as batches follow each
// other.
func (r *Registry) serveSocket(ctx context.Context, conn transport.Conn, who *Peer) {
	c := new(serverConn)
	if !r.acceptFirst(ctx, c, func() transport.Conn { return conn }, who) {
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

// read takes batches until none has come for a while; false: the conn has ended.
func (c *serverConn) read(idle idler) bool {
	for {
		b, err := c.conn.Receive()
		if err != nil {
			c.ended(!errors.Is(err, io.EOF))
			c.close(transport.CodeFault)
			return false
		}
		p := packets.Get().(*wire.Packet)
		c.s.receive(c, b, p)
		packets.Put(p)
		if idle != nil && !idle.Wait(readOn) {
			return true
		}
	}
}

// receive takes a later batch of a WebSocket.
func (s *serverSession) receive(c *serverConn, b transport.Batch, p *wire.Packet) {
	frame, full := servermachine.ParseFrame(b, p, s.shared.cfg.MaxBatch), s.isOver()
	s.update(func(now time.Time) { s.machine.Receive(&c.Conn, frame, full, now) })
}
