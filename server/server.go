// Package server serves Holdfast sessions over HTTP: one endpoint for WebSockets, event streams and
// long polls, and the browser client.
//
// A [Server] is an [http.Handler] that may be mounted under any path of net/http or Echo. Do not
// put it behind middleware that buffers, compresses or times out answers. Health, metrics and the
// demo page are separate handlers, mounted where you want them.
package server

import (
	"context"
	"iter"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/holdfast-rt/holdfast/clientjs"
	"github.com/holdfast-rt/holdfast/server/internal/address"
	"github.com/holdfast-rt/holdfast/server/internal/conns"
	"github.com/holdfast-rt/holdfast/server/internal/limitedlog"
	"github.com/holdfast-rt/holdfast/server/internal/metrics"
	"github.com/holdfast-rt/holdfast/server/internal/origin"
	"github.com/holdfast-rt/holdfast/server/internal/ticket"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// Server holds the sessions of one process. Many goroutines may call its methods at the same time.
type Server struct {
	cfg          Config
	registry     *session.Registry
	origins      *origin.Policy
	proxies      address.Proxies
	sessionLimit *address.Limit // sessions
	connLimit    *address.Limit // requests and connections being served
	sessionRate  *address.Rate  // new sessions
	waiting      *conns.Table   // connections without a request
	tickets      *ticket.Table[session.Ticket]
	metrics      *metrics.Metrics
	sockets      running
	warn         *limitedlog.Logger // for what strangers can cause
	draining     atomic.Bool
	keepsAddress bool // AddressHeader is one of KeepHeaders
}

// New makes a Server. Its errors say which settings are wrong, or are those of the Registerer.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	origins, err := cfg.policy()
	if err != nil {
		return nil, err
	}
	l := cfg.Limits
	s := &Server{
		cfg:          cfg,
		origins:      origins,
		proxies:      cfg.TrustedProxies,
		sessionLimit: address.NewLimit(l.MaxSessionsPerAddress),
		connLimit:    address.NewLimit(maxConns(l.MaxSessionsPerAddress)),
		sessionRate: address.NewRate(address.RateOptions{
			PerSecond: float64(l.NewSessionsPerSecond), Burst: 10 * l.NewSessionsPerSecond,
		}),
		keepsAddress: slices.ContainsFunc(cfg.KeepHeaders, func(name string) bool {
			return http.CanonicalHeaderKey(name) == AddressHeader
		}),
		waiting: conns.New(maxConns(l.MaxSessionsPerAddress)),
		tickets: ticket.New[session.Ticket](0),
		warn:    limitedlog.New(cfg.Logger),
	}
	s.metrics, err = metrics.New(metrics.Options{
		Registerer: cfg.Registerer, Sessions: s.states, RetainedBytes: s.retained,
	})
	if err != nil {
		return nil, err
	}
	s.registry = session.NewRegistry(s.registryConfig())
	return s, nil
}

// maxConns is how many requests and connections one address may have at the same time: a session
// that switches transports has four (HF1-ATT-04).
func maxConns(sessions int) int {
	if sessions == 0 {
		sessions = address.DefaultLimit
	}
	return 4 * sessions
}

func (s *Server) registryConfig() session.RegistryConfig {
	l, t := s.cfg.Limits, s.cfg.Timers
	return session.RegistryConfig{
		Node:     s.cfg.Node,
		MaxBatch: l.MaxBatch, MaxMessage: l.MaxMessage, Window: l.Window,
		MaxSessions: l.MaxSessions, MaxRetained: l.MaxRetained,
		Ping: t.Ping, Hold: t.Hold, TTL: t.TTL, CloseGrace: t.CloseGrace,
		KeepHeaders:  s.cfg.KeepHeaders,
		Authenticate: s.authenticate(),
		Admit:        s.acquireSession,
		Release:      s.sessionLimit.Release,
		OnSession:    s.start,
		OnEnd:        s.end,
		IssueTicket:  func(k session.Ticket) string { return s.tickets.Issue(k.Session(), k) },
		Observe:      s.observe,
		Logger:       s.cfg.Logger,
	}
}

// acquireSession checks the limits of the address for one more session.
func (s *Server) acquireSession(a netip.Addr) bool {
	if ok, _ := s.sessionRate.Allow(a); !ok {
		s.warnLimit(a, "Limits.NewSessionsPerSecond / -new-sessions-per-second")
		return false
	}
	if !s.sessionLimit.Acquire(a) {
		s.warnLimit(a, "Limits.MaxSessionsPerAddress / -max-sessions-per-address")
		return false
	}
	return true
}

// warnBusy names the limit of the whole server that a newcomer has met. Those of an address are
// named when they are checked.
func (s *Server) warnBusy() {
	l := &s.cfg.Limits
	switch {
	case s.registry.IsShort():
		s.warn.Minutely("busy: messages take three quarters of the memory they may, and some more than a share",
			"limit", l.MaxRetained, "fix", "raise Limits.MaxRetained / -max-retained if there is memory")
	case s.registry.Len() >= l.MaxSessions:
		s.warn.Minutely("busy: there are as many sessions as there may be",
			"limit", l.MaxSessions, "fix", "raise Limits.MaxSessions / -max-sessions if there is memory")
	}
}

// warnLimit warns the operator of an address at a limit: it may be a proxy with many clients.
func (s *Server) warnLimit(a netip.Addr, limit string) {
	name := "unix socket"
	if a.IsValid() {
		name = a.String()
	}
	s.warn.Minutely("an address is at its limit of sessions", "address", name,
		"fix", "if it is a proxy add it to TrustedProxies / -trusted-proxies, else raise "+limit)
}

// authenticate adds a time limit to the application's authenticator. Nil stays nil.
func (s *Server) authenticate() func(context.Context, *session.Handshake) (string, error) {
	authenticator := s.cfg.Authenticate
	if authenticator == nil {
		return nil
	}
	return func(ctx context.Context, h *session.Handshake) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Limits.Handshake)
		defer cancel()
		principal, err := authenticator(ctx, h)
		if err != nil {
			s.cfg.Logger.Debug("authentication refused", "address", h.Addr, "transport", h.Transport, "error", err)
		}
		return principal, err
	}
}

// Session returns the open session with this id, or nil.
func (s *Server) Session(id string) *session.Session { return s.registry.Session(id) }

// Sessions iterates over the open sessions; it may miss sessions that start or end during that
// time.
func (s *Server) Sessions() iter.Seq[*session.Session] { return s.registry.Sessions() }

// ServeHTTP serves the browser client where the path ends in /holdfast.js or /holdfast.mjs, and the
// endpoint everywhere else. The caller that mounts the Server decides which paths come here.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path.Base(r.URL.Path) {
	case "holdfast.js":
		s.bundle(w, r, clientjs.Script)
		return
	case "holdfast.mjs":
		s.bundle(w, r, clientjs.Module)
		return
	}
	switch {
	case r.Method == http.MethodPost:
		s.post(w, r)
	case r.Method == http.MethodGet && upgrades(r):
		s.socket(w, r)
	case r.Method == http.MethodGet && r.URL.Query().Has("ticket"):
		s.stream(w, r)
	// There is nothing to read here. This may be a WebSocket handshake that lost its Upgrade header
	// in the network, and 426 fits that best.
	case r.Method == http.MethodGet:
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		refuse(w, http.StatusUpgradeRequired)
	case r.Method == http.MethodOptions:
		s.options(w, r)
	default:
		w.Header().Set("Allow", methods)
		refuse(w, http.StatusMethodNotAllowed)
	}
}

const methods = "GET, POST, OPTIONS"

// upgrades reports whether r is a WebSocket handshake, also a broken one.
func upgrades(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// refuse answers a request that is not of this protocol (HF1-HTTP-03) with a status and a short
// text, which nobody can mistake for a page.
func refuse(w http.ResponseWriter, status int, why ...string) {
	h := w.Header()
	transport.SetHeaders(h) // HF1-HTTP-05
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	text := append([]string{"holdfast", strings.ToLower(http.StatusText(status))}, why...)
	_, _ = w.Write([]byte(strings.Join(text, ": ") + "\n"))
}
