// Package sse sends one batch up in a POST (none if the request has a ticket), and many down in an
// event stream.
package sse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/internal/exchange"
)

// ContentType of an event stream.
const ContentType = "text/event-stream"

// prelude is the comment before the first event. It is long enough for proxies and browsers that
// hold back the first one or two KiB.
var prelude = ":" + strings.Repeat(" ", 2<<10) + "\n\n"

// Options bound an event stream on the server. The zero value, and nil, take every default.
type Options struct {
	// WriteTimeout bounds the writing of one event: it ends the stream of a peer that does not
	// read. Default: 30 s.
	WriteTimeout time.Duration
}

// TicketRequest reads the nonce from the GET of an EventSource, if there is one (HF1-SSE-06). It
// does not check the ticket. The error is [transport.ErrGarbled], for an invalid nonce.
func TicketRequest(r *http.Request) (*transport.Request, error) {
	req := &transport.Request{Kind: transport.KindStream, Nonce: transport.NoNonce}
	if n := r.URL.Query().Get("nonce"); n != "" {
		if !transport.ValidNonce(n) {
			return nil, fmt.Errorf("%w: bad nonce", transport.ErrGarbled)
		}
		req.Nonce = n
	}
	return req, nil
}

// Accept answers a request for a stream: req is what ReadRequest or TicketRequest made of it.
// Headers and a comment of 2 KiB go out at once (HF1-SSE-01); the preamble goes out with the first
// batch. The Conn belongs to the handler as long as it runs: the handler must call Close before it
// returns.
//
// Receive returns the request's batch once, if there is one; then it waits, and returns [io.EOF]
// when the client is gone. Send writes one event and flushes it; it fails when that takes longer
// than the write timeout, and the stream is over then.
//
// The error is [http.ErrNotSupported] where w cannot set a write deadline or cannot flush, or that
// of the first write.
func Accept(w http.ResponseWriter, r *http.Request, req *transport.Request, o *Options) (transport.Conn, error) {
	if o == nil {
		o = &Options{}
	}
	out, err := exchange.New(w, o.WriteTimeout)
	if err != nil {
		return nil, err
	}
	h := w.Header()
	transport.SetHeaders(h)
	h.Set("Content-Type", ContentType)
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	err = out.Write(func(w http.ResponseWriter) error {
		w.WriteHeader(http.StatusOK)
		_, err := io.WriteString(w, prelude)
		return err
	})
	if err != nil {
		out.Close()
		return nil, err
	}
	return &serverConn{out: out, gone: r.Context(), req: req, first: req.Preamble().AppendTo(nil)}, nil
}

// serverConn is one event stream from the server's side.
type serverConn struct {
	out  *exchange.Writer
	gone context.Context // the request's: done when the client is gone

	req *transport.Request // Receive's: nil after its batch was returned

	first []byte // Send's: the preamble, until the first event
	err   error  // Send's: what broke the stream
}

func (c *serverConn) Kind() transport.Kind { return transport.KindStream }

func (c *serverConn) Receive() (transport.Batch, error) {
	if c.out.Closed() {
		return transport.Batch{}, transport.ErrClosed
	}
	if c.req != nil && c.req.Batch.Parts != nil {
		// The bytes belong to the caller until the next Receive, which frees them.
		b := c.req.Batch
		c.req.Batch = transport.Batch{}
		return b, nil
	}
	c.Release()
	select {
	case <-c.out.Done():
		return transport.Batch{}, transport.ErrClosed
	case <-c.gone.Done():
		return transport.Batch{}, io.EOF
	}
}

// Release frees the memory of the batch that Receive returned, because the stream may last for
// hours. Only the goroutine that received it may call this.
func (c *serverConn) Release() {
	if c.req != nil {
		c.req.Release()
		c.req = nil
	}
}

func (c *serverConn) Send(b transport.Batch) error {
	if b.Binary {
		return transport.ErrBinary
	}
	if c.err != nil && !c.out.Closed() {
		return c.err // half an event cannot be repaired
	}
	c.err = c.out.Write(func(w http.ResponseWriter) error { return writeEvent(w, c.first, b) })
	c.first = nil
	return c.err
}

// Close has no place for a code: the lines of the last event say why.
func (c *serverConn) Close(transport.Code, string) error {
	c.out.Close()
	return nil
}
