// Package server tests a server from outside. It builds its requests and frames by hand, so that
// they can be wrong.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Target is the server under test.
type Target struct {
	// Endpoint is its URL.
	Endpoint *url.URL
	// Transports are the ones it has, of suite.WS, suite.SSE, suite.Poll.
	Transports []string

	http *http.Client
}

// Find looks for the endpoint at a URL, and at /holdfast of that server.
func Find(ctx context.Context, raw string, profiles []string) (*Target, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the http: or https: URL of a server", raw)
	}
	t := &Target{http: client()}
	for _, p := range []string{suite.WS, suite.SSE, suite.Poll} {
		if slices.Contains(profiles, p) {
			t.Transports = append(t.Transports, p)
		}
	}
	if len(t.Transports) == 0 {
		return nil, errors.New("the profile names no transport: add one of ws, sse, poll to core")
	}
	candidates := []*url.URL{u, u.JoinPath("/holdfast")}
	if u.Path == "" {
		u.Path = "/"
	}
	var seen []string
	for _, c := range candidates {
		t.Endpoint = c
		seenThere, ok := t.speaksProtocol(ctx)
		if ok {
			return t, nil
		}
		seen = append(seen, fmt.Sprintf("%s: %s", c, seenThere))
	}
	return nil, fmt.Errorf("no Holdfast endpoint: %s", strings.Join(seen, "; "))
}

// speaksProtocol reports whether a server of this protocol answers at that URL: it must refuse a
// malformed `up` in a reply (HF1-HTTP-03).
func (t *Target) speaksProtocol(ctx context.Context) (saw string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	const nonce = "conformance-finds-you"
	r := t.Post(ctx, wire.WrapBody("up", nonce, "@1 0\n!up {}\n"), nil)
	switch {
	case r.Err != nil:
		return r.Err.Error(), false
	// the cases judge whether all of it is right
	case r.Status == http.StatusOK && strings.HasPrefix(string(r.Raw), "holdfast/1 "):
		return "", true
	case !slices.Contains(t.Transports, suite.Poll) && !slices.Contains(t.Transports, suite.SSE) &&
		r.Status != http.StatusNotFound:
		return "", true // a server with WebSockets only need not answer a POST
	}
	return fmt.Sprintf("status %d and no preamble", r.Status), false
}

// client neither follows redirects nor asks for compression. It opens as many connections as it
// needs.
func client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			DisableCompression:  true,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     10 * time.Second,
		},
	}
}
