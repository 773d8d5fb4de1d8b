package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// ClientOptions are what [NewHTTPClient] needs to know. The zero value takes every default.
type ClientOptions struct {
	// TLSClientConfig is used for https. Default: the standard library's.
	TLSClientConfig *tls.Config
	// DialContext opens connections. Default: TCP, 10 s.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

// NewHTTPClient returns an http.Client with limits that suit the HTTP transports: no redirects
// (HF1-HTTP-08), no response compression, no cookies, no time limit on a request, as a poll hangs
// and a stream lasts. Share one among the dialers of a client, and call CloseIdleConnections when
// it is over.
func NewHTTPClient(o ClientOptions) *http.Client {
	dial := o.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return WithoutRedirects(&http.Client{Transport: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dial,
		// net/http writes h2 into it, which the WebSockets that share it must not offer
		TLSClientConfig:        o.TLSClientConfig.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    4, // a poll, an up-send, and a switch beside them
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}})
}

// WithoutRedirects returns a copy of c that follows no redirect and has no time limit of its own:
// an answer 3xx is then a fault of the carrier like any other status (HF1-HTTP-08).
func WithoutRedirects(c *http.Client) *http.Client {
	d := *c
	d.Timeout = 0
	d.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &d
}
