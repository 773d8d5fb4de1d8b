// Package doctor finds out what a network does to Holdfast: it opens a real session over each
// transport, with any server, and reports what it saw.
//
// It needs nothing from the server's application, and leaves no session open. docs/doctor.md has
// the findings and how they are found.
package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// ErrURL says that the argument is not the URL of an endpoint: http, https, ws or wss with a host,
// and no user or fragment.
var ErrURL = errors.New("doctor: not the URL of an endpoint")

// ErrAuth says that Auth is not JSON, or too long for an open.
var ErrAuth = errors.New("doctor: auth is not JSON of at most 7.5 KiB")

// Options are those of [Diagnose]. The zero value, and nil, take every default. They must not
// change during the diagnosis.
type Options struct {
	// Timeout bounds the whole diagnosis. Default: 15 s, with Long 95 s. A network that breaks
	// connections early needs less. If something has not ended by then, the report has what was
	// seen of it.
	Timeout time.Duration
	// Long adds a test of 70 s: a busy and a quiet connection of each transport, and a poll that
	// the server holds as long as it can.
	Long bool
	// Auth is the client's auth for the server's authenticator, JSON of at most 8 KiB. Default:
	// none.
	Auth json.RawMessage
	// Header is added to every request and handshake: Cookie, Origin.
	Header http.Header
	// TLSClientConfig is used for https and wss. Default: the standard library's.
	TLSClientConfig *tls.Config
	// DialContext opens connections. Default: TCP.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for a request. Default: the proxy of the environment.
	Proxy func(*http.Request) (*url.URL, error)
}

// How long things may take. Every wait is bounded by the whole timeout too.
const (
	quickTimeout = 15 * time.Second
	longTimeout  = 95 * time.Second

	openWait   = 5 * time.Second         // for a connection, a handshake, or the header of an answer
	headerWait = 3 * time.Second         // for the header of a stream; later, the stream counts as held
	replyWait  = 2500 * time.Millisecond // for a reply to what we sent
	watchTime  = 8 * time.Second         // how long an attachment is watched
	longWatch  = 70 * time.Second
	pingEvery  = 1500 * time.Millisecond
	holdTime   = 6 * time.Second // of a poll
	lateAfter  = time.Second     // after this and two round trips a stream or a poll is late (HF1-SSE-03)
	closeWait  = time.Second
)

// The states of a transport in the report.
const (
	fits     = "fits"
	impaired = "impaired"
	fails    = "fails"
)

// diagnosis is one run. Its probes share it.
type diagnosis struct {
	o         Options
	url       string // http or https
	shown     string
	query     string // not to be shown
	began     time.Time
	web       *http.Client
	proxy     *url.URL
	catalogue map[string]entry

	mu        sync.Mutex
	findings  []Finding
	facts     []Fact
	notTested []string
	results   []*Transport
	refused   bool // the server itself refused a session
}

// Diagnose tries every transport to the endpoint at the same time, and reports. It takes about 10
// s. It returns at the latest when Timeout or ctx ends, with what it knows by then, and has closed
// the sessions that it could. The error is [ErrURL] or [ErrAuth]: everything else is in the report.
func Diagnose(ctx context.Context, endpoint string, o *Options) (*Report, error) {
	d, err := newDiagnosis(endpoint, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	defer d.web.CloseIdleConnections()
	var wg sync.WaitGroup
	for _, test := range []struct {
		name string
		run  func(context.Context, *probe)
	}{
		{transport.WebSocket, d.webSocket},
		{transport.SSE, d.stream},
		{transport.LongPoll, d.longPoll},
	} {
		p := d.newProbe(test.name)
		d.results = append(d.results, p.result)
		wg.Go(func() { test.run(ctx, p) })
	}
	wg.Wait()
	d.judge()
	return d.report(), nil
}

func newDiagnosis(endpoint string, o *Options) (*diagnosis, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, ErrURL // its text would show what was in the URL
	}
	schemes := map[string]string{"http": "http", "https": "https", "ws": "http", "wss": "https"}
	if u.Scheme = schemes[u.Scheme]; u.Scheme == "" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, ErrURL
	}
	d := &diagnosis{url: u.String(), began: time.Now(), catalogue: readCatalogue()}
	if o != nil {
		d.o = *o
	}
	if d.o.Auth != nil {
		var auth bytes.Buffer
		if json.Compact(&auth, d.o.Auth) != nil || auth.Len() > 8<<10-512 { // HF1-BAT-11
			return nil, ErrAuth
		}
		d.o.Auth = auth.Bytes()
	}
	if d.o.Timeout <= 0 {
		d.o.Timeout = quickTimeout
		if d.o.Long {
			d.o.Timeout = longTimeout
		}
	}
	if d.o.Proxy == nil {
		d.o.Proxy = http.ProxyFromEnvironment
	}
	d.web = transport.NewHTTPClient(transport.ClientOptions{
		TLSClientConfig: d.o.TLSClientConfig, DialContext: d.o.DialContext,
	})
	d.web.Transport.(*http.Transport).Proxy = d.o.Proxy
	d.query = u.RawQuery
	shown := *u
	shown.RawQuery, shown.ForceQuery = "", false
	d.shown = shown.String()
	d.checkProxy(u)
	d.untested("how large a batch from the server may be: a server says nothing large unasked, " +
		"so only about 2 KiB were seen")
	if !d.o.Long {
		d.untested("quiet times and ages above some seconds: the long run watches for more than a minute")
	}
	return d, nil
}

// checkProxy records the proxy that requests go through.
func (d *diagnosis) checkProxy(u *url.URL) {
	p, err := d.o.Proxy(&http.Request{URL: u, Header: http.Header{}})
	if err != nil || p == nil {
		return
	}
	d.proxy = p
	// without its user and password
	d.find("proxy-in-use", "requests to "+u.Host+" go to the proxy "+p.Scheme+"://"+p.Host)
}

// judge sets the state of each transport from its findings.
func (d *diagnosis) judge() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.results {
		switch {
		case t.State != "":
		case t.Opened < 0 || t.RTT < 0:
			t.State = fails
			d.notTested = append(d.notTested, t.Name+": the time was over before it was seen to work")
		default:
			t.State = fits
		}
	}
}
