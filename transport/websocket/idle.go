package websocket

import (
	"bufio"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// lookBuffer is the size of an idle TCP connection's read buffer: gorilla takes over one of more
// than 256 bytes only, and this is a size of the allocator's.
const lookBuffer = 288

// tcpConn is a TCP connection on which one can wait for the peer apart from reading: so a goroutine
// waits for it on a stack of 2 KiB, where gorilla's reading takes 4 and what a session makes of a
// batch takes 8.
type tcpConn struct {
	*net.TCPConn               // not any net.Conn: writes of several buffers are one for this type only
	in           *bufio.Reader // gorilla's
	raw          syscall.RawConn
	look         func(fd uintptr) bool // c.readable, kept so that waiting allocates nothing

	got    [8]byte // got[:n] was read while looking
	n      int
	waited bool // look has said that nothing is there
}

// newTCPConn returns nil where one cannot wait so.
func newTCPConn(c *net.TCPConn) *tcpConn {
	raw, err := c.SyscallConn()
	if err != nil || !canWait {
		return nil
	}
	t := &tcpConn{TCPConn: c, raw: raw}
	t.look = t.readable
	t.in = bufio.NewReaderSize(t, lookBuffer)
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

// wait waits until something can be read, an error included, at most for the limit; 0 is none.
// False: nothing has come.
func (c *tcpConn) wait(limit time.Duration) bool {
	if c.n > 0 || c.in.Buffered() > 0 {
		return true
	}
	if limit > 0 {
		_ = c.SetReadDeadline(time.Now().Add(limit)) // if it fails the read will
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	}
	c.waited = false
	return !errors.Is(c.raw.Read(c.look), os.ErrDeadlineExceeded)
}

// readable looks whether something can be read. It has to read for that: the runtime tells only of
// what comes after a read has found nothing. Called a second time, after that, something has come.
func (c *tcpConn) readable(fd uintptr) bool {
	if c.waited {
		return true
	}
	c.n, c.waited = readNow(fd, c.got[:])
	return !c.waited
}

// idleConn is a conn whose peer may be waited for apart from Receive.
type idleConn struct {
	*conn
	tcp *tcpConn
}

// Wait returns true when Receive has something to read or an error to return, false when limit has
// passed; 0 is no limit. It needs a small stack and no buffer: the batch that Receive gave is not
// valid any more. It is called by the one who calls Receive, after the first batch.
func (c *idleConn) Wait(limit time.Duration) bool {
	c.release()
	return c.tcp.wait(limit)
}
