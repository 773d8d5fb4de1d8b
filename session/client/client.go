// Package client opens sessions over WebSocket, event stream and long poll: here the session meets
// the concrete transports.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// ErrURL says that an endpoint's URL is not http, https, ws or wss with a host, and no user or
// fragment.
var ErrURL = errors.New("client: not the URL of an endpoint")

// Dial starts a session and waits until it is open. If ctx ends first, or the server refuses for
// good, there is no session, and the error is ctx's or a [*session.EndError]. Once Dial has
// returned ctx means nothing to the session: it keeps itself connected until it ends.
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
		_ = s.EndWith(transport.CodeDone, "") // a valid code
		return nil, ctx.Err()
	}
}

// Start starts a session and returns at once: messages may be sent before it is open, and go out
// with the first request. The error is [ErrURL].
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
	r := &renewer{options: o, web: o.HTTPClient}
	if r.web == nil {
		r.web = transport.NewHTTPClient(
			transport.ClientOptions{TLSClientConfig: o.TLSClientConfig, DialContext: o.DialContext})
	}
	r.cfg = session.DialConfig{
		Transports: o.Transports, Dialers: r.dialers(u.String()),
		MaxBatch: o.MaxBatch, MaxMessage: o.MaxMessage, Buffer: o.Buffer, Auth: o.Auth, Meta: o.Meta,
		Memory: o.Memory.of(u.String()),
		Trace: func(t session.Trace) {
			if t.Kind == session.TraceOpened {
				opened()
			}
			if o.Trace != nil {
				o.Trace(t)
			}
		},
	}
	return r.start(), nil
}
