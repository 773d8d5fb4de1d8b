package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/transport"
)

// Dialer opens WebSockets. The fields must not change after the first use.
type Dialer struct {
	// URL of the endpoint: ws or wss, or http or https, which mean the same. No secret belongs in
	// it (HF1-HTTP-06).
	URL string
	// Header is added to the handshake, for Cookie or Origin.
	Header http.Header
	// TLSClientConfig is used for wss. Default: the standard library's.
	TLSClientConfig *tls.Config
	// NetDialContext opens connections. Default: TCP.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for a request. Default: the proxy of the environment.
	Proxy func(*http.Request) (*url.URL, error)
	// HandshakeTimeout bounds the dialling, in addition to the context. Default: 10 s.
	HandshakeTimeout time.Duration
	// MaxBatch is the size of the largest batch taken, in bytes. Default:
	// [transport.DefaultMaxBatch].
	MaxBatch int
	// WriteTimeout bounds the writing of one batch. Default: 30 s.
	WriteTimeout time.Duration
}

var _ transport.Dialer = (*Dialer)(nil)

// Dial opens a WebSocket and sends the first batch on it. An answer other than 101 is a
// [*transport.StatusError]; a 101 answer that is not a valid handshake is [transport.ErrGarbled].
func (d *Dialer) Dial(ctx context.Context, kind transport.Kind, first transport.Batch) (transport.Conn, error) {
	if kind != transport.KindSocket {
		return nil, fmt.Errorf("websocket: cannot carry kind %q", kind)
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(d.HandshakeTimeout, 10*time.Second))
	defer cancel()
	ws, stop, err := d.handshake(ctx)
	if err == nil {
		c := newConn(ws, d.MaxBatch, d.WriteTimeout, 0)
		if err = c.Send(first); err == nil && stop() {
			return c, nil
		}
		_ = ws.Close()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if limit, _ := ctx.Deadline(); !time.Now().Before(limit) {
		// gorilla sets the same deadline on the connection, and that error may come first
		err = context.DeadlineExceeded
	}
	return nil, fmt.Errorf("websocket: dial: %w", err)
}

// handshake returns a connection that ctx closes until stop is called; stop reports whether it was
// called in time. gorilla obeys the context while it connects, but not while it waits for the
// answer.
func (d *Dialer) handshake(ctx context.Context) (ws *websocket.Conn, stop func() bool, err error) {
	stop = func() bool { return true }
	dial := d.NetDialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	proxy := d.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	g := websocket.Dialer{
		NetDialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { _ = c.Close() })
			}
			return c, err
		},
		Proxy:           proxy,
		TLSClientConfig: d.TLSClientConfig,
		ReadBufferSize:  readBuffer,
		WriteBufferSize: writeBuffer,
		WriteBufferPool: &writeBuffers,
	}
	ws, resp, err := g.DialContext(ctx, socketURL(d.URL), d.Header)
	switch {
	case err == nil && resp.Header.Get("Sec-WebSocket-Extensions") != "":
		_ = ws.Close()
		return nil, stop, fmt.Errorf("%w: an extension that was not offered", transport.ErrGarbled) // HF1-WSK-02
	case errors.Is(err, websocket.ErrBadHandshake) && resp.StatusCode == http.StatusSwitchingProtocols:
		return nil, stop, fmt.Errorf("%w: no WebSocket handshake", transport.ErrGarbled)
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, stop, &transport.StatusError{Status: resp.StatusCode}
	}
	return ws, stop, err
}

// socketURL turns http into ws and https into wss, and leaves everything else.
func socketURL(u string) string {
	if rest, ok := strings.CutPrefix(u, "http"); ok {
		return "ws" + rest
	}
	return u
}
