// Package client opens sessions over WebSocket, event stream and long poll: here the session meets the concrete transports.
package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// Options are those of [Dial] and [Start]. The zero value, and nil, take every default. They must not change while a session uses them.
type Options struct {
	// Transports lists the transports that may be used, best first. Default: websocket, sse, longpoll.
	Transports []string
	// Auth gives the credentials that the server's authenticator sees: before the first attempt, and again when they were refused. It may
	// block; ctx ends with the session. Default: none.
	Auth func(ctx context.Context) (json.RawMessage, error)
	// Meta is JSON for the server's application. With Auth it has 8 KiB.
	Meta json.RawMessage
	// Header is added to every request and handshake: Cookie, Origin. No secret of the session belongs there.
	Header http.Header
	// HTTPClient sends the requests of sse and longpoll; its time limit and its rule for redirects are overridden. Default: one of the
	// session's own, whose connections are closed when that ends.
	HTTPClient *http.Client
	// TLSClientConfig is used for wss, and for https unless HTTPClient is given. Default: the standard library's.
	TLSClientConfig *tls.Config
	// DialContext opens the connections of WebSockets, and of the others unless HTTPClient is given. Default: TCP.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// MaxMessage is the largest message taken, in bytes. Default 16 MiB.
	MaxMessage int
	// Buffer bounds the bytes (payload + 16 a line) sent and not acknowledged; at the bound Send waits. Default 2 MiB.
	Buffer int
	// Memory, if not nil, lets sessions begin with what earlier ones have learned of the network: share one among all of a program's sessions.
	Memory *Memory
	// Trace is told what happens to the session's attachments. It must not block or call the session.
	Trace func(session.Trace)
	// Renew, if set, has a new session started when one has ended that a new one is welcome after (42xx: the server drained, forgot it, let
	// it expire). It is called with the end of the old one, which tells the fate of each message, and the new session: nothing is sent
	// again by itself. It must return. Sessions that end young are followed ever more slowly, at most 30 s apart. Who wants no more
	// closes the newest session.
	Renew func(ended session.End, fresh *session.Session)
}

// ErrURL says that an endpoint's URL is not http, https, ws or wss with a host, and no user or fragment.
var ErrURL = errors.New("client: not the URL of an endpoint")

// Dial starts a session and waits until it is open. If ctx ends first, or the server refuses for good, there is no session, and the error
// is ctx's or a [*session.EndError]. Once Dial has returned ctx means nothing to the session: it keeps itself connected until
// it ends.
func Dial(ctx context.Context, endpoint string, o *Options) (*session.Session, error) {
	open := make(chan struct{}, 1)
	s, err := start(endpoint, o, func() {
		select {
		case open <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-open:
		return s, nil
	case <-s.Done():
		_, err = s.Receive(ctx)
		return nil, err
	case <-ctx.Done():
		s.EndWith(transport.CodeDone, "")
		return nil, ctx.Err()
	}
}

// Start starts a session and returns at once: messages may be sent before it is open, and go out with the first request. The error is
// [ErrURL].
func Start(endpoint string, o *Options) (*session.Session, error) {
	return start(endpoint, o, func() {})
}

func start(endpoint string, o *Options, opened func()) (*session.Session, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	schemes := map[string]string{"http": "http", "https": "https", "ws": "http", "wss": "https"}
	if u.Scheme = schemes[u.Scheme]; u.Scheme == "" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, ErrURL
	}
	if o == nil {
		o = &Options{}
	}
	l := &line{o: o, web: o.HTTPClient}
	if l.web == nil {
		l.web = transport.NewHTTPClient(transport.ClientOptions{TLSClientConfig: o.TLSClientConfig, DialContext: o.DialContext})
	}
	l.cfg = session.DialConfig{
		Transports: o.Transports, Dialers: l.dialers(u.String()),
		MaxBatch: o.MaxBatch, MaxMessage: o.MaxMessage, Buffer: o.Buffer, Auth: o.Auth, Meta: o.Meta,
		Memory: o.Memory.of(u.String()),
		Trace: func(t session.Trace) {
			if t.What == "opened" {
				opened()
			}
			if o.Trace != nil {
				o.Trace(t)
			}
		},
	}
	return l.dial(), nil
}
