// Package transporttest has what tests of sessions and transports need: an in-memory network that
// works under testing/synctest, connections that fail at a chosen byte, a middlebox that alters
// what passes, and one test that every transport must pass.
package transporttest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer is what a direction takes before a write waits, like the buffers of two kernels.
const pipeBuffer = 64 << 10

// Pipe returns the two ends of an in-memory connection with buffers, deadlines and half-close
// ([net.TCPConn]'s CloseWrite). It waits on channels only, so virtual time passes under
// testing/synctest while both ends wait.
func Pipe() (client, server net.Conn) {
	up, down := newStream(), newStream()
	return &pipeConn{in: down, out: up, name: "client"}, &pipeConn{in: up, out: down, name: "server"}
}

// stream is one direction.
type stream struct {
	mu     sync.Mutex // never held while waiting
	data   []byte
	total  int64         // bytes ever written
	change chan struct{} // closed and replaced at every change
	ended  bool          // the writer has closed: io.EOF after the data
	gone   bool          // the reader has closed: writes fail
	reset  bool          // the connection was cut: both fail, reading after the data that was under way
	lost   bool          // writes fail and their bytes are lost, though the reader has not closed

	readLimit, writeLimit deadline
}

func newStream() *stream { return &stream{change: make(chan struct{})} }

// update changes the stream and wakes all who wait.
func (s *stream) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.change)
	s.change = make(chan struct{})
}

func (s *stream) written() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// deadline is the time at which waiting ends. A new one wakes the waiters, which check it again.
type deadline struct{ at time.Time }

func (d deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// wait waits for a change, or the deadline.
func (d deadline) wait(change <-chan struct{}) {
	if d.at.IsZero() {
		<-change
		return
	}
	timer := time.NewTimer(time.Until(d.at))
	defer timer.Stop()
	select {
	case <-change:
	case <-timer.C:
	}
}

func (s *stream) read(p []byte) (int, error) {
	for {
		s.mu.Lock()
		limit, change := s.readLimit, s.change
		switch {
		case s.gone:
			s.mu.Unlock()
			return 0, net.ErrClosed
		case limit.passed():
			s.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0 || len(p) == 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			if len(s.data) == 0 {
				s.data = nil
			}
			close(s.change)
			s.change = make(chan struct{})
			s.mu.Unlock()
			return n, nil
		case s.reset:
			s.mu.Unlock()
			return 0, syscall.ECONNRESET
		case s.ended:
			s.mu.Unlock()
			return 0, io.EOF
		}
		s.mu.Unlock()
		limit.wait(change)
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	for {
		s.mu.Lock()
		limit, change := s.writeLimit, s.change
		switch {
		case s.reset:
			err = syscall.ECONNRESET
		case s.gone, s.lost:
			err = syscall.EPIPE
		case s.ended:
			err = net.ErrClosed
		case limit.passed():
			err = os.ErrDeadlineExceeded
		}
		if room := pipeBuffer - len(s.data); err == nil && room > 0 {
			m := min(room, len(p)-n)
			s.data = append(s.data, p[n:n+m]...)
			s.total += int64(m)
			n += m
			close(s.change)
			s.change = make(chan struct{})
		}
		s.mu.Unlock()
		if err != nil || n == len(p) {
			return n, err
		}
		limit.wait(change)
	}
}

type pipeConn struct {
	in, out *stream
	name    string
}

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.write(p) }

// CloseWrite ends the writing at this end; the other end reads what was written, then io.EOF.
func (c *pipeConn) CloseWrite() error {
	c.out.update(func() { c.out.ended = true })
	return nil
}

func (c *pipeConn) Close() error {
	c.out.update(func() { c.out.ended = true })
	c.in.update(func() { c.in.gone, c.in.data = true, nil })
	return nil
}

// reset cuts the connection: both ends fail with ECONNRESET once they have read what was under way.
func (c *pipeConn) reset() {
	for _, s := range []*stream{c.in, c.out} {
		s.update(func() { s.reset = true })
	}
}

func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.update(func() { c.in.readLimit = deadline{t} })
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.update(func() { c.out.writeLimit = deadline{t} })
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr { return addr(c.name) }

func (c *pipeConn) RemoteAddr() net.Addr {
	if c.name == "client" {
		return addr("server")
	}
	return addr("client")
}

// addr is an address that net/http and a limit by address can parse.
type addr string

func (a addr) Network() string { return "pipe" }

func (a addr) String() string {
	if a == "server" {
		return "192.0.2.1:80"
	}
	return "192.0.2.2:40000"
}
