package session

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// connHost is who a conn works for.
type connHost interface {
	dialer(name string) transport.Dialer
	nextBatch(id int, b *logs.Batch) bool
	received(id int, b transport.Batch, p *wire.Packet)
	closed(id int, fault error)
}

// clientConn is one conn at the client: being dialled, read, perhaps being written.
type clientConn struct {
	host   connHost
	id     int
	cancel context.CancelFunc

	mu      sync.Mutex
	conn    transport.Conn
	ended   bool
	writing bool
	again   bool // woken while it was writing
}

var errNoDialer = errors.New("session: no dialer for the transport")

func (c *clientConn) run(ctx context.Context, kind transport.Kind, name string) {
	err := c.read(ctx, kind, name)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	c.hangUp(transport.CodeDetached)
	c.host.closed(c.id, err)
}

func (c *clientConn) read(ctx context.Context, kind transport.Kind, name string) error {
	if kind == transport.KindUp || kind == transport.KindPoll {
		name = transport.LongPoll
	}
	dialer := c.host.dialer(name)
	if dialer == nil {
		return errNoDialer
	}
	b := batches.Get().(*logs.Batch)
	if !c.host.nextBatch(c.id, b) { // it was given up before it began
		return nil
	}
	conn, err := dialer.Dial(ctx, kind, b.Batch())
	b.Reset()
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
		p := packets.Get().(*wire.Packet)
		c.host.received(c.id, in, p)
		packets.Put(p)
	}
}

// opened keeps the conn, unless it was hung up meanwhile.
func (c *clientConn) opened(conn transport.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		_ = conn.Close(transport.CodeDetached, "")
		return false
	}
	c.conn = conn
	return true
}

func (c *clientConn) hangUp(code transport.Code) {
	c.mu.Lock()
	conn, first := c.conn, !c.ended
	c.ended = true
	c.mu.Unlock()
	switch {
	case !first:
	case conn == nil:
		c.cancel()
	default:
		go func() { _ = conn.Close(code, ""); c.cancel() }() // Close may wait a moment for its close frame
	}
}

// startWriter starts the writer of a WebSocket if none runs.
func (c *clientConn) startWriter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
	if !c.writing && c.conn != nil {
		c.writing = true
		go c.write()
	}
}

// write writes batches until there are no more.
func (c *clientConn) write() {
	b := batches.Get().(*logs.Batch)
	defer func() { b.Reset(); batches.Put(b) }()
	for c.mayGoOn() {
		for c.host.nextBatch(c.id, b) {
			if err := c.conn.Send(b.Batch()); err != nil {
				c.hangUp(transport.CodeFault) // the reader sees the end
				break
			}
		}
	}
}

// mayGoOn tells the writer whether it was woken again. If not it has ended.
func (c *clientConn) mayGoOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.again || c.ended {
		c.writing = false
		return false
	}
	c.again = false
	return true
}
