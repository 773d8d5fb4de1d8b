// Package longpoll carries one batch up and one down in a POST and its reply: the kinds open, poll
// and up.
package longpoll

import (
	"io"
	"net/http"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/internal/exchange"
)

// Options bound one exchange on the server. The zero value, and nil, take every default.
type Options struct {
	// WriteTimeout bounds the writing of the reply. Default: 30 s.
	WriteTimeout time.Duration
}

// Accept turns a POST, whose body has been read, into a Conn that belongs to the handler's
// goroutine: the handler must call Close before it returns. Receive returns the request's batch
// once, then [io.EOF]. The request's context tells whether the client is gone. Send writes the
// reply, once; then it returns [transport.ErrClosed], as it does after Close. For the client, a
// POST without a reply is a fault.
//
// The error is [http.ErrNotSupported], where w cannot set a write deadline; then nothing was
// written.
func Accept(w http.ResponseWriter, req *transport.Request, o *Options) (transport.Conn, error) {
	if o == nil {
		o = &Options{}
	}
	out, err := exchange.New(w, o.WriteTimeout)
	if err != nil {
		return nil, err
	}
	return &serverConn{out: out, req: req, preamble: req.Preamble()}, nil
}

// serverConn is one POST from the server's side.
type serverConn struct {
	out      *exchange.Writer
	preamble transport.Preamble

	req      *transport.Request // Receive's
	received bool               // Receive's
	sent     bool               // Send's
}

func (c *serverConn) Kind() transport.Kind { return c.preamble.Kind }

func (c *serverConn) Receive() (transport.Batch, error) {
	if c.out.Closed() {
		return transport.Batch{}, transport.ErrClosed
	}
	if c.received {
		c.Release()
		return transport.Batch{}, io.EOF
	}
	c.received = true
	return c.req.Batch, nil
}

// Release frees the memory of the batch that Receive returned, because the answer may take long.
// Only the goroutine that received it may call this.
func (c *serverConn) Release() { c.req.Release() }

func (c *serverConn) Send(b transport.Batch) error {
	if c.sent {
		return transport.ErrClosed
	}
	if b.Binary {
		return transport.ErrBinary
	}
	c.sent = true // also when the write fails: half a reply cannot be repaired
	return c.out.Write(func(w http.ResponseWriter) error { return transport.WriteReply(w, c.preamble, b) })
}

// Close has no place for a code: the lines of the reply say why.
func (c *serverConn) Close(transport.Code, string) error {
	c.out.Close()
	return nil
}
