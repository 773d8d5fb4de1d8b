package longpoll

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/internal/post"
)

// Dialer opens POST exchanges of the kinds open, poll and up. The fields must not change after the
// first use.
type Dialer struct {
	// URL of the endpoint, http or https. No secret belongs in it (HF1-HTTP-06).
	URL string
	// Header is added to each request.
	Header http.Header
	// Client sends the requests; its time limit and its rule for redirects are overridden. Default:
	// one of [transport.NewHTTPClient], made at the first Dial; its idle connections end after 90
	// s.
	Client *http.Client
	// MaxBatch is the size of the largest batch taken, in bytes. Default:
	// [transport.DefaultMaxBatch].
	MaxBatch int
	// ReadTimeout bounds the reading of a reply once its header has come. Default: 30 s.
	ReadTimeout time.Duration

	once   sync.Once
	client *http.Client
}

var _ transport.Dialer = (*Dialer)(nil)

// Dial sends the first batch and returns when the answer's header has been read. The Conn's Receive
// reads the reply's batch, once; then it returns [io.EOF]. Its Send returns [transport.ErrClosed],
// because its one batch is already sent. It must be closed, to drop what was not read.
func (d *Dialer) Dial(ctx context.Context, kind transport.Kind, first transport.Batch) (transport.Conn, error) {
	switch kind {
	case transport.KindOpen, transport.KindPoll, transport.KindUp:
	default:
		return nil, fmt.Errorf("longpoll: cannot carry kind %q", kind)
	}
	d.once.Do(func() {
		if d.client = d.Client; d.client == nil {
			d.client = transport.NewHTTPClient(transport.ClientOptions{})
		}
		d.client = transport.WithoutRedirects(d.client)
	})
	p := transport.Preamble{Kind: kind, Nonce: transport.NewNonce()}
	resp, err := post.Endpoint{Client: d.client, URL: d.URL, Header: d.Header}.Do(ctx, p, first, "text/plain")
	if err != nil {
		return nil, err
	}
	timeout := d.ReadTimeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	return &clientConn{resp: resp, preamble: p, maxBatch: d.MaxBatch, timeout: timeout}, nil
}

// clientConn is one POST from the client's side.
type clientConn struct {
	resp     *post.Response
	preamble transport.Preamble
	maxBatch int
	timeout  time.Duration
	closed   atomic.Bool

	reply *transport.Request // Receive's
	err   error              // Receive's: what it returns from now on
}

func (c *clientConn) Kind() transport.Kind { return c.preamble.Kind }

func (c *clientConn) Send(transport.Batch) error { return transport.ErrClosed }

func (c *clientConn) Receive() (transport.Batch, error) {
	if c.err != nil {
		if c.reply != nil {
			c.reply.Release()
			c.reply = nil
		}
		return transport.Batch{}, c.err
	}
	if c.closed.Load() {
		return transport.Batch{}, transport.ErrClosed
	}
	late := time.AfterFunc(c.timeout, c.resp.Cancel)
	reply, err := transport.ReadReply(c.resp.Body, c.preamble, c.maxBatch)
	inTime := late.Stop()
	_ = c.resp.Body.Close()
	c.resp.Cancel()
	switch {
	case err == nil:
		c.reply, c.err = reply, io.EOF
		return reply.Batch, nil
	case c.closed.Load():
		c.err = transport.ErrClosed
	case !inTime:
		c.err = transport.ErrSlow
	default:
		c.err = err
	}
	return transport.Batch{}, c.err
}

func (c *clientConn) Close(transport.Code, string) error {
	c.closed.Store(true)
	c.resp.Cancel()
	// The body is not closed here, because that would wait for a Receive that is running. Cancel
	// alone frees the connection.
	return nil
}
