package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/transport"
)

var batches = sync.Pool{New: func() any { return new(logs.Batch) }}

// serverConn is one conn at the server. Nobody writes, and no stack is held for it, while there is
// nothing to write.
type serverConn struct {
	servermachine.Conn
	s       *serverSession
	conn    transport.Conn
	writing atomic.Int32  // state of the writer
	run     func()        // the writer, kept so that starting it allocates nothing; nil before the first
	done    chan struct{} // of a POST or a stream: closed when its last batch was written
}

// States of a writer.
const (
	writerIdle = iota
	writerBusy
	writerAgain // woken while it was writing
)

// start makes the conn ready. It is nil if it was answered already.
func (c *serverConn) start(conn transport.Conn) (ok bool) {
	if conn == nil {
		return false
	}
	c.conn = conn
	c.Init(conn.Kind(), c)
	if conn.Kind() != transport.KindSocket {
		c.done = make(chan struct{})
	}
	return true
}

// Wake starts the writer of a conn, which lives while there is something to write.
func (c *serverConn) Wake() {
	for {
		switch n := c.writing.Load(); n {
		case writerIdle:
			if c.writing.CompareAndSwap(writerIdle, writerBusy) {
				if c.run == nil {
					c.run = c.write
				}
				go c.run()
				return
			}
		default:
			if n == writerAgain || c.writing.CompareAndSwap(n, writerAgain) {
				return
			}
		}
	}
}

func (c *serverConn) write() {
	for {
		more, err := c.writeBatches()
		if err != nil || !more {
			c.ended(err != nil)
			c.close(c.CloseCode())
			if c.done != nil {
				close(c.done)
			}
			return
		}
		if c.writing.CompareAndSwap(writerBusy, writerIdle) {
			return
		}
		c.writing.Store(writerBusy)
	}
}

// writeBatches writes batches until there are no more. more: the conn goes on.
func (c *serverConn) writeBatches() (more bool, err error) {
	b := batches.Get().(*logs.Batch)
	defer func() { b.Reset(); batches.Put(b) }()
	s := c.s
	for {
		s.mu.Lock()
		next := s.machine.Next(&c.Conn, b, time.Now())
		deadline, seen := s.machine.Deadline(), s.machine.Observations()
		s.mu.Unlock()
		s.observe(seen)
		switch next {
		case servermachine.Nothing:
			s.shared.clock.set(&s.timer, deadline) // writing may have planned one
			return true, nil
		case servermachine.Ended:
			return false, nil
		case servermachine.Wrote, servermachine.WroteLast:
		}
		if err := c.conn.Send(b.Batch()); err != nil {
			return false, err
		}
		if next == servermachine.WroteLast {
			return false, nil
		}
	}
}

// ended books the end of a conn.
func (c *serverConn) ended(broken bool) {
	c.s.update(func(now time.Time) { c.s.machine.Closed(&c.Conn, broken, now) })
}

func (c *serverConn) close(code transport.Code) {
	if c.conn != nil {
		_ = c.conn.Close(code, "")
	}
}

// answer waits until a POST or a stream has said what it has to say.
func (c *serverConn) answer(ctx context.Context) {
	c.Wake()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.ended(true)
	}
}

// replyUnattached writes the answer of a conn that no session took.
func (c *serverConn) replyUnattached() {
	err := c.conn.Send(transport.Batch{Parts: [][]byte{c.Answer()}})
	if err == nil && c.Kind() == transport.KindSocket {
		c.close(c.CloseCode())
	}
}
