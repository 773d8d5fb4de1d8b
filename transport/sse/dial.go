package sse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/internal/post"
)

// Dialer opens event streams by POST. The fields must not change after the first use.
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

	once   sync.Once
	client *http.Client
}

var _ transport.Dialer = (*Dialer)(nil)

// Dial sends the first batch and returns when the answer's header has been read. The Conn's Receive
// reads the stream without a time limit, because only the session knows how long silence is normal.
// Its Send returns [transport.ErrClosed], because its one batch is already sent.
func (d *Dialer) Dial(ctx context.Context, kind transport.Kind, first transport.Batch) (transport.Conn, error) {
	if kind != transport.KindStream {
		return nil, fmt.Errorf("sse: cannot carry kind %q", kind)
	}
	d.once.Do(func() {
		if d.client = d.Client; d.client == nil {
			d.client = transport.NewHTTPClient(transport.ClientOptions{})
		}
		d.client = transport.WithoutRedirects(d.client)
	})
	p := transport.Preamble{Kind: kind, Nonce: transport.NewNonce()}
	resp, err := post.Endpoint{Client: d.client, URL: d.URL, Header: d.Header}.Do(ctx, p, first, ContentType)
	if err != nil {
		return nil, err
	}
	maxBatch := d.MaxBatch
	if maxBatch <= 0 {
		maxBatch = transport.DefaultMaxBatch
	}
	c := &clientConn{resp: resp}
	switch t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); strings.ToLower(strings.TrimSpace(t)) {
	case ContentType:
		c.in = newReader(resp.Body, p, maxBatch)
	case "text/plain": // a refusal, or a server without streams: one batch only (HF1-HTTP-03)
		c.in = &reply{body: resp.Body, want: p, maxBatch: maxBatch}
	default:
		_ = c.Close(0, "")
		return nil, fmt.Errorf("%w: content type %.40q", transport.ErrGarbled, t)
	}
	return c, nil
}

// batches is what a clientConn reads from: the next batch's lines, or [io.EOF].
type batches interface{ next() ([]byte, error) }

// reply is an answer that is not a stream.
type reply struct {
	body     io.Reader
	want     transport.Preamble
	maxBatch int
	read     bool
}

func (r *reply) next() ([]byte, error) {
	if r.read {
		return nil, io.EOF
	}
	r.read = true
	got, err := transport.ReadReply(r.body, r.want, r.maxBatch)
	if err != nil {
		return nil, err
	}
	return got.Batch.Parts[0], nil
}

// clientConn is one event stream from the client's side.
type clientConn struct {
	resp   *post.Response
	closed atomic.Bool

	in  batches // Receive's
	err error   // Receive's: what it returns from now on
}

func (c *clientConn) Kind() transport.Kind { return transport.KindStream }

func (c *clientConn) Send(transport.Batch) error { return transport.ErrClosed }

func (c *clientConn) Receive() (transport.Batch, error) {
	if c.closed.Load() {
		return transport.Batch{}, transport.ErrClosed
	}
	if c.err != nil {
		return transport.Batch{}, c.err
	}
	lines, err := c.in.next()
	if err == nil {
		return transport.Batch{Parts: [][]byte{lines}}, nil
	}
	if c.closed.Load() {
		err = transport.ErrClosed
	}
	c.err = err
	_ = c.resp.Body.Close()
	c.resp.Cancel()
	return transport.Batch{}, err
}

func (c *clientConn) Close(transport.Code, string) error {
	c.closed.Store(true)
	c.resp.Cancel() // ends a Receive that waits, and the connection
	return nil
}
