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

// Accept makes a POST, whose body has been read, a Conn that belongs to the handler's goroutine as
// long as the handler runs: the handler must call Close before it returns. Receive gives the
// request's batch once, then [io.EOF]; whether the client has gone is told by the request's
// context. Send writes the reply, once; then it returns [transport.ErrClosed], as it does after
// Close. A handler that sends no reply makes a carrier fault of it.
//
// The error is [http.ErrNotSupported], where w can set no write deadline; then nothing was written.
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

// Release gives back the memory of the batch that Receive gave, as the answer may be far off. The
// caller is the one who received it.
func (c *serverConn) Release() { c.req.Release() }

func (c *serverConn) Send(b transport.Batch) error {
	if c.sent {
		return transport.ErrClosed
	}
	if b.Binary {
		return transport.ErrBinary
	}
	c.sent = true // whatever becomes of it: half a reply cannot be mended
	return c.out.Write(func(w http.ResponseWriter) error { return transport.WriteReply(w, c.preamble, b) })
}

// Close has no place for a code: the reply's own lines tell why.
func (c *serverConn) Close(transport.Code, string) error {
	c.out.Close()
	return nil
}
