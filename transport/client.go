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
// (HF1-HTTP-08), no response compression, no cookies, no time limit on a request, because the
// server holds a poll and a stream stays open. Share one among the dialers of a client, and call
// CloseIdleConnections at the end.
func NewHTTPClient(o ClientOptions) *http.Client {
	dial := o.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return WithoutRedirects(&http.Client{Transport: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dial,
		// A copy: net/http adds h2 to it, and the WebSockets that share it must not offer h2.
		TLSClientConfig:        o.TLSClientConfig.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    4, // a poll, a POST that sends, and two more during a switch
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}})
}

// WithoutRedirects returns a copy of c that follows no redirect and has no time limit of its own: a
// 3xx answer is then a fault of the Conn, like any status other than 200 (HF1-HTTP-08).
func WithoutRedirects(c *http.Client) *http.Client {
	d := *c
	d.Timeout = 0
	d.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &d
}
