// Package doctor finds out what a network does to Holdfast: it holds a real session of the real
// protocol over each transport, with any server, and tells what it saw on the way.
//
// It needs nothing of the server's application, and leaves no session behind. What it finds and how
// is docs/doctor.md.
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

// ErrURL says that what was given is not the URL of an endpoint: http, https, ws or wss with a
// host, and no user or fragment.
var ErrURL = errors.New("doctor: not the URL of an endpoint")

// ErrAuth says that Auth is not JSON, or too long for an open.
var ErrAuth = errors.New("doctor: auth is not JSON of at most 7.5 KiB")

// Options are those of [Diagnose]. The zero value, and nil, take every default. They must not
// change meanwhile.
type Options struct {
	// Timeout bounds the whole diagnosis. Default: 15 s, with Long 95 s. A network that cuts early
	// needs less; what has not ended by then is reported as far as it was seen.
	Timeout time.Duration
	// Long adds a watch of 70 s: of a busy and of a quiet connection of each transport, and of a
	// poll held as long as the server holds.
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
	// Proxy names the proxy of a request. Default: that of the environment.
	Proxy func(*http.Request) (*url.URL, error)
}

// How long things may take. Every wait is bounded by the whole timeout too.
const (
	quickTimeout = 15 * time.Second
	longTimeout  = 95 * time.Second

	openWait   = 5 * time.Second         // for a connection, a handshake, an answer's header
	headerWait = 3 * time.Second         // for a stream's header, before it counts as held
	speakWait  = 2500 * time.Millisecond // for a word in answer to ours
	watchFor   = 8 * time.Second         // how long a path is seen to live
	longWatch  = 70 * time.Second
	pingEvery  = 1500 * time.Millisecond
	holdFor    = 6 * time.Second // a poll's
	lateBy     = time.Second     // beyond two round trips, a stream or a poll is late (HF1-SSE-03)
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

// Diagnose tries every transport to the endpoint, all at a time, and reports. It takes about 10 s,
// and returns at the latest when Timeout or ctx ends, with what it knows by then and the sessions
// it could close closed. The error is [ErrURL] or [ErrAuth]: everything else is in the report.
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
	d.settle()
	return d.report(), nil
}

func newDiagnosis(endpoint string, o *Options) (*diagnosis, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, ErrURL // its words would show what was in the URL
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
	d.lookAtProxy(u)
	d.untested("how large a batch from the server may be: a server says nothing large unasked, " +
		"so only about 2 KiB were seen")
	if !d.o.Long {
		d.untested("quiet times and ages above some seconds: the long run watches for more than a minute")
	}
	return d, nil
}

// lookAtProxy notes the proxy that requests go through.
func (d *diagnosis) lookAtProxy(u *url.URL) {
	p, err := d.o.Proxy(&http.Request{URL: u, Header: http.Header{}})
	if err != nil || p == nil {
		return
	}
	d.proxy = p
	// less its user and password
	d.find("proxy-in-use", "requests to "+u.Host+" go to the proxy "+p.Scheme+"://"+p.Host)
}

// settle judges each transport by what was found of it.
func (d *diagnosis) settle() {
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
