// Package origin decides whether a page in a browser may use this server, and sets the CORS
// headers.
//
// A request passes if its Origin is listed, or the browser says that it is same-origin, or the
// Origin names the host the request was sent to, or the session is already bound to this Origin. A
// request without an Origin comes from a program, or from a browser, which then sends
// Sec-Fetch-Site.
//
// Every request is checked, also GET: a WebSocket and an EventSource are GETs, and browsers send
// them to any site.
package origin

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/holdfast-rt/holdfast/server/internal/limitedlog"
)

// Verdict is the decision about a request.
type Verdict int

const (
	// Refuse is final: the session cannot change it.
	Refuse Verdict = iota
	// Allow lets the request through.
	Allow
	// InBand is for a WebSocket: a proxy may have rewritten its Host. Answer 101, and call
	// [Policy.Settle] when the `open` has named the session. [Known.InBand] extends it to other
	// requests.
	InBand
)

func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case InBand:
		return "in band"
	default:
		return "refuse"
	}
}

// Options are the settings of a [Policy]. The zero value allows the same origin and programs.
type Options struct {
	// Allowed lists other origins that may connect: scheme://host[:port] exactly,
	// scheme://*.host[:port] for exactly one label in place of the star, file:// for the WebSockets
	// of pages that are files, or null for opaque origins (sandboxed frames) and files over every
	// transport. Upper and lower case are the same in host and scheme; the default port is
	// optional.
	Allowed []string
	// Credentials lets pages of another origin send cookies and read the answers: for load
	// balancers with sticky cookies. Never allowed for null.
	Credentials bool
	// Logger gets refusals, once per Origin and at a limited rate. Nil is [slog.Default].
	Logger *slog.Logger
}

// Policy checks requests. Many goroutines may call its methods at the same time.
type Policy struct {
	patterns    []pattern
	null        bool
	credentials bool
	logger      *limitedlog.Logger

	mu     sync.Mutex
	logged *simplelru.LRU[string, struct{}] // refused Origins that were already logged
}

// New checks the list. Its errors name the wrong entry.
func New(o Options) (*Policy, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Policy{credentials: o.Credentials, logger: limitedlog.New(o.Logger)}
	for _, s := range o.Allowed {
		if s == null {
			p.null = true
			continue
		}
		pat, err := parsePattern(s)
		if err != nil {
			return nil, err
		}
		p.patterns = append(p.patterns, pat)
	}
	logged, err := simplelru.NewLRU[string, struct{}](maxLogged, nil)
	p.logged = logged
	return p, err
}

// Known is what the server knows about a request in addition to its headers.
type Known struct {
	// Bound is the [Decision.Origin] the session was created under, "" for none or no session.
	Bound string
	// TrustedProxy says that X-Forwarded-Host of the direct peer is believed.
	TrustedProxy bool
	// InBand says that the server decides at the `open` also for a request that is not a WebSocket,
	// because only its body names the session and so Bound.
	InBand bool
}

// Decision is the outcome of [Policy.Check]. The zero value refuses.
type Decision struct {
	Verdict Verdict
	// Origin is the request's Origin in its canonical form, "" if it had none: a new session is
	// bound to it, and it is safe to log.
	Origin string

	echo string // for CORS: the Origin as it was sent, if the request may be cross-origin
	host string // for the log
}

// Check checks one request (HF1-WHO-09).
func (p *Policy) Check(r *http.Request, k Known) Decision {
	values := r.Header.Values("Origin")
	d := Decision{host: clip(r.Host)}
	site := fetchSite(r.Header)
	if len(values) == 0 {
		if site == siteUnknown || site == siteSame {
			d.Verdict = Allow
		} else {
			p.log("", "reason", "a cross-site request without an Origin", "host", d.host)
		}
		return d
	}
	raw := values[0]
	t, ok := parse(raw)
	if len(values) > 1 || !ok && raw != null {
		p.log(clip(raw), "reason", "malformed", "origin", clip(raw), "host", d.host)
		return d
	}
	if raw == null {
		d.Origin = null
	} else {
		d.Origin = t.String()
	}
	switch {
	case p.listed(d.Origin, t):
		d.Verdict, d.echo = Allow, raw
	case d.Origin == null:
		// An opaque origin can be any page: it can be listed, but never recognized.
	case site == siteSame || sameHost(r, t, k.TrustedProxy):
		d.Verdict = Allow
	case k.Bound == d.Origin:
		d.Verdict, d.echo = Allow, raw
	case k.InBand || isUpgrade(r):
		d.Verdict, d.echo = InBand, raw
		return d
	}
	if d.Verdict == Refuse {
		p.refused(d)
	}
	return d
}

// Settle (HF1-WHO-09) turns [InBand] into the final verdict, once the `open` has named the session:
// bound is that session's Origin, "" for a new one. The other verdicts stay.
func (p *Policy) Settle(d Decision, bound string) Decision {
	if d.Verdict != InBand {
		return d
	}
	d.Verdict = Refuse
	if d.Origin == bound {
		d.Verdict = Allow
	} else {
		p.refused(d)
	}
	return d
}

// CORS sets the headers that let a page of another origin read the answer. They never contain `*`,
// and a refused page gets none. Vary is always set, so that no cache returns the answer for one
// origin to another.
func (p *Policy) CORS(h http.Header, d Decision) {
	h.Add("Vary", "Origin")
	if d.Verdict != Allow || d.echo == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", d.echo)
	if p.credentials && d.Origin != null {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

func (p *Policy) listed(origin string, t tuple) bool {
	// A page that is a file says file:// in its WebSockets and null in its requests. Null is the
	// wider of the two: every page can make itself an opaque origin.
	if p.null && (origin == null || origin == file) {
		return true
	}
	if origin == null {
		return false
	}
	for _, pat := range p.patterns {
		if pat.matches(t) {
			return true
		}
	}
	return false
}

// The values of Sec-Fetch-Site, which a page cannot set. same-origin is reliable even if a proxy
// has changed Host. An unknown value counts as cross-site.
const (
	siteUnknown = iota // no header, or `none`: the user typed the address
	siteSame
	siteOther
)

func fetchSite(h http.Header) int {
	values := h.Values("Sec-Fetch-Site")
	switch {
	case len(values) == 0:
		return siteUnknown
	case len(values) > 1:
		return siteOther
	case values[0] == "same-origin":
		return siteSame
	case values[0] == "none":
		return siteUnknown
	}
	return siteOther
}

// sameHost compares the Origin with the host the request was sent to. Only web pages come from the
// host in their Origin, so capacitor://localhost is not the same as localhost. A page without TLS
// is not the same as a server with TLS.
func sameHost(r *http.Request, t tuple, trustedProxy bool) bool {
	if t.scheme != "https" && (t.scheme != "http" || r.TLS != nil) {
		return false
	}
	if matchesHost(r.Host, t) {
		return true
	}
	if !trustedProxy {
		return false
	}
	// Some proxies write their host first in the list, others last. No page can set this header, so
	// every entry counts.
	for _, line := range r.Header.Values("X-Forwarded-Host") {
		for host := range strings.SplitSeq(line, ",") {
			if matchesHost(strings.TrimSpace(host), t) {
				return true
			}
		}
	}
	return false
}

func matchesHost(authority string, t tuple) bool {
	host, port, ok := parseAuthority(authority, t.scheme)
	return ok && host == t.host && port == t.port
}

func isUpgrade(r *http.Request) bool {
	for _, line := range r.Header.Values("Upgrade") {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "websocket") {
				return r.Method == http.MethodGet
			}
		}
	}
	return false
}
