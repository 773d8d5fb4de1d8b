package websocket

import (
	"bufio"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// idleBuffer is the size of an idle TCP connection's read buffer. gorilla uses only readers of more
// than 256 bytes, and 288 is a size class of the allocator.
const idleBuffer = 288

// tcpConn is a TCP connection that can wait for data without reading a message. So a waiting
// goroutine needs a stack of 2 KiB only; a read by gorilla needs 4 KiB, and a session that handles
// a batch needs 8 KiB.
type tcpConn struct {
	*net.TCPConn               // the concrete type: only it writes several buffers in one call
	in           *bufio.Reader // gorilla's
	raw          syscall.RawConn
	tryRead      func(fd uintptr) bool // c.readable, stored so that waiting allocates nothing

	got    [8]byte // got[:n] was read by readable
	n      int
	waited bool // readable has found nothing
}

// newTCPConn returns nil if c cannot wait in this way.
func newTCPConn(c *net.TCPConn) *tcpConn {
	raw, err := c.SyscallConn()
	if err != nil || !canWait {
		return nil
	}
	t := &tcpConn{TCPConn: c, raw: raw}
	t.tryRead = t.readable
	t.in = bufio.NewReaderSize(t, idleBuffer)
	return t
}

func (c *tcpConn) Read(p []byte) (int, error) {
	if c.n > 0 {
		n := copy(p, c.got[:c.n])
		c.n = copy(c.got[:], c.got[n:c.n])
		return n, nil
	}
	return c.TCPConn.Read(p)
}

// wait waits until something can be read, or an error, at most for the limit; 0 means no limit. It
// returns false if nothing has come.
func (c *tcpConn) wait(limit time.Duration) bool {
	if c.n > 0 || c.in.Buffered() > 0 {
		return true
	}
	if limit > 0 {
		_ = c.SetReadDeadline(time.Now().Add(limit)) // if it fails the read will
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	}
	c.waited = false
	return !errors.Is(c.raw.Read(c.tryRead), os.ErrDeadlineExceeded)
}

// readable reports whether something can be read. It must read to find out: the runtime reports
// only what comes after a read has found nothing. When it is called a second time, something has
// come.
func (c *tcpConn) readable(fd uintptr) bool {
	if c.waited {
		return true
	}
	c.n, c.waited = readNow(fd, c.got[:])
	return !c.waited
}

// idleConn is a conn that can wait for its peer without Receive.
type idleConn struct {
	*conn
	tcp *tcpConn
}

// Wait returns true when Receive has something to read or an error to return, and false when limit
// has passed; 0 means no limit. It needs a small stack and no buffer: the batch that Receive
// returned is no longer valid. Only the goroutine that calls Receive may call it, after the first
// batch.
func (c *idleConn) Wait(limit time.Duration) bool {
	c.release()
	return c.tcp.wait(limit)
}
