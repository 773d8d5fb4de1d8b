package client

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-rt/holdfast/transport"
)

// pool sends requests, and keeps them away from connections that may be dead.
//
// Over HTTP/1.1 net/http gives up the connection of a request that is given up. Over HTTP/2 it goes
// on with it: many requests share it, and one that a NAT has forgotten would swallow every new one.
// So the pool leaves such a connection for another, as soon as a request on it has failed or was
// given up, and for every new attachment. Requests in flight stay where they are.
type pool struct {
	mu      sync.Mutex
	current *connections
	retired []*connections // the oldest first; what they have idle is closed with every request
}

// maxRetired bounds how many transports may still have requests in flight.
const maxRetired = 8

// connections are a transport's, and the requests that are in flight there.
type connections struct {
	transport *http.Transport
	http1     bool // they speak HTTP/1.1
	http2     bool
	failed    bool // a request has failed
	inFlight  []*exchange
}

// exchange is a request until its answer has been read.
type exchange struct {
	ctx    context.Context
	dialed context.Context // what Dial was given: it ends the request, but not in the same moment
	done   atomic.Bool
}

// withoutDead returns a copy of c whose requests go through a pool, where c's transport can be
// copied.
func withoutDead(c *http.Client) *http.Client {
	d := *c
	if d.Transport == nil {
		d.Transport = http.DefaultTransport
	}
	if t, ok := d.Transport.(*http.Transport); ok {
		d.Transport = &pool{current: &connections{transport: t}}
	}
	return &d
}

// RoundTrip sends a request.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{ctx: req.Context(), dialed: req.Context()}
	d, ok := x.ctx.Value(dialKey{}).(dial)
	if ok {
		x.dialed = d.ctx
	}
	c := p.begin(x, d.attaches)
	resp, err := c.transport.RoundTrip(req)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		x.done.Store(true)
		c.failed = true
		return nil, err
	}
	c.http2 = resp.ProtoMajor == 2
	c.http1 = !c.http2
	resp.Body = &answer{resp.Body, x}
	return resp, nil
}

// begin chooses the connections for a request.
func (p *pool) begin(x *exchange, attaches bool) *connections {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.current
	if !c.http1 && (c.http2 && attaches || c.suspect()) {
		p.retired = append(p.retired, c)
		if len(p.retired) > maxRetired {
			p.retired = p.retired[1:]
		}
		c = &connections{transport: c.transport.Clone()}
		p.current = c
	}
	if c.http1 {
		c.inFlight = nil
	} else {
		c.inFlight = append(slices.DeleteFunc(c.inFlight, (*exchange).isDone), x)
	}
	for _, old := range p.retired {
		old.transport.CloseIdleConnections()
	}
	return c
}

// suspect: a request has failed here, or was given up before its answer had come.
func (c *connections) suspect() bool {
	return c.failed || slices.ContainsFunc(c.inFlight, func(x *exchange) bool {
		return !x.isDone() && (x.ctx.Err() != nil || x.dialed.Err() != nil)
	})
}

func (x *exchange) isDone() bool { return x.done.Load() }

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (p *pool) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range append(slices.Clone(p.retired), p.current) {
		c.transport.CloseIdleConnections()
	}
}

// answer is the body of an answer. Whoever closes it has read what was wanted.
type answer struct {
	io.ReadCloser
	exchange *exchange
}

// Close ends the exchange.
func (a *answer) Close() error {
	if a.exchange.ctx.Err() == nil {
		a.exchange.done.Store(true)
	}
	return a.ReadCloser.Close()
}

// dial is what a request was made for. A context has it under dialKey.
type dial struct {
	ctx      context.Context
	attaches bool // it opens an attachment
}

type dialKey struct{}

// dialer is a dialer that tells the pool what its requests are for.
type dialer struct{ transport.Dialer }

// Dial opens a conn.
func (d dialer) Dial(ctx context.Context, kind transport.Kind, first transport.Batch) (transport.Conn, error) {
	what := dial{ctx, kind == transport.KindOpen || kind == transport.KindStream}
	return d.Dialer.Dial(context.WithValue(ctx, dialKey{}, what), kind, first)
}
