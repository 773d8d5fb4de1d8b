// Package client opens sessions over WebSocket, event stream and long poll: here the session meets
// the concrete transports.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

var (
	// ErrURL says that an endpoint's URL is not http, https, ws or wss with a host, and no user or
	// fragment.
	ErrURL = errors.New("client: not the URL of an endpoint")
	// ErrTransport says that Options.Transports has a name that no transport has, or one twice.
	ErrTransport = errors.New("client: unknown transport")
	// ErrMeta says that Options.Meta is not JSON, or above 8 KiB.
	ErrMeta = errors.New("client: meta is not JSON of at most 8 KiB")
)

// maxMeta is the most that a server takes, in bytes.
const maxMeta = 8 << 10

// Dial starts a session and waits until it is open. If ctx ends first, or the session ends before
// Dial has returned it, there is no session, and the error is ctx's or a [*session.EndError]. Once
// Dial has returned ctx means nothing to the session: it keeps itself connected until it ends. The
// other errors are those of Start.
func Dial(ctx context.Context, endpoint string, o *Options) (*session.Session, error) {
	open := make(chan struct{}, 1)
	r, err := newRenewer(endpoint, o, func() {
		select {
		case open <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return nil, err
	}
	s := r.start()
	select {
	case <-open:
	case <-s.session.Done():
	case <-ctx.Done():
		_ = s.session.EndWith(transport.CodeDone, "") // a valid code
		go r.release(s)
		return nil, ctx.Err()
	}
	if end, ended := s.session.Ended(); ended { // perhaps with the very frame that opened it
		r.release(s)
		return nil, &session.EndError{End: end}
	}
	r.follow(s)
	return s.session, nil
}

// Start starts a session and returns at once: messages may be sent before it is open, and go out
// with the first request. Errors: [ErrURL], [ErrTransport], [ErrMeta].
func Start(endpoint string, o *Options) (*session.Session, error) {
	r, err := newRenewer(endpoint, o, func() {})
	if err != nil {
		return nil, err
	}
	s := r.start()
	r.follow(s)
	return s.session, nil
}

// newRenewer checks what it is given. Nothing has acted if there is an error.
func newRenewer(endpoint string, o *Options, opened func()) (*renewer, error) {
	u, err := endpointURL(endpoint)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	r := &renewer{options: o, web: o.HTTPClient}
	if r.web == nil {
		r.web = transport.NewHTTPClient(
			transport.ClientOptions{TLSClientConfig: o.TLSClientConfig, DialContext: o.DialContext})
	}
	r.web = withoutDead(r.web)
	r.cfg = session.DialConfig{
		Transports: o.Transports, Dialers: r.dialers(u),
		MaxBatch: o.MaxBatch, MaxMessage: o.MaxMessage, Buffer: o.Buffer, Auth: o.Auth, Meta: o.Meta,
		Memory: o.Memory.of(u), Logger: o.Logger,
		Trace: func(t session.Trace) {
			if t.Kind == session.TraceOpened {
				opened()
			}
			if o.Trace != nil {
				o.Trace(t)
			}
		},
	}
	return r, r.check()
}

// endpointURL is the endpoint's URL as requests take it.
func endpointURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrURL, err)
	}
	schemes := map[string]string{"http": "http", "https": "https", "ws": "http", "wss": "https"}
	if u.Scheme = schemes[u.Scheme]; u.Scheme == "" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "", ErrURL
	}
	return u.String(), nil
}

// check finds options that can never work, so that nobody waits for them to.
func (r *renewer) check() error {
	for i, name := range r.cfg.Transports {
		if r.cfg.Dialers[name] == nil || slices.Contains(r.cfg.Transports[:i], name) {
			return fmt.Errorf("%w: %q", ErrTransport, name)
		}
	}
	if r.cfg.Meta != nil && (len(r.cfg.Meta) > maxMeta || !wire.IsJSON(r.cfg.Meta)) {
		return ErrMeta
	}
	return nil
}
