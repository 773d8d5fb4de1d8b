// Package gateway puts an existing WebSocket server behind Holdfast sessions: each session gets its
// own WebSocket to one configured backend, which needs no change. It is the server part of the
// browser client's drop-in WebSocket class (docs/websocket-compat.md), and serves plain sessions
// too.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/server/internal/limitedlog"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// Config configures a [Gateway].
type Config struct {
	// Target is the backend: ws://host/path or wss://host/path, without user, query and fragment.
	// What a client adds to the path of the endpoint is added to this path, and stays below it. A
	// client can never choose scheme or host.
	Target string
	// Headers names the headers of a client's first request to send to the backend, such as Cookie
	// or Authorization. The server must keep them: list the same names in
	// server.Config.KeepHeaders. Default: none. Headers of the handshake itself are not allowed.
	Headers []string
	// Identity names the headers that tell the backend who is there. They replace what a client
	// sends under these names. Default: none.
	Identity Identity
	// PathParameters lets the paths of clients have semicolons. Some backends drop what follows
	// one; a segment that is then a dot or two stays refused.
	PathParameters bool
	// MaxMessage is the largest message from the backend, in bytes; a larger one ends the session
	// and the connection to the backend with 1009. It should be the server's Limits.MaxMessage.
	// Default 1 MiB.
	MaxMessage int
	// DialTimeout is the time limit for the handshake with the backend. Default 10 s.
	DialTimeout time.Duration
	// WriteTimeout is how long a backend may leave a message unread before it counts as gone;
	// during that time the window stops the client. Default 60 s.
	WriteTimeout time.Duration
	// KeepAlive is how often the backend gets a pong while it cannot be read, because its client is
	// away and the window is full: its own pings are behind what is not read. Default 10 s, below
	// the time after which servers give a silent client up.
	KeepAlive time.Duration
	// TLS is for a wss Target. Default: the root certificates of the system.
	TLS *tls.Config
	// Logger gets backends that cannot be reached (warn, limited) and refused requests of clients
	// (debug), never URLs or payloads. Default [slog.Default].
	Logger *slog.Logger
}

// Identity has the names of headers; "" is none.
type Identity struct {
	Principal string // the principal of the session
	Session   string // the id of the session, which is safe to log
	// Address is that of the client, as the server's TrustedProxies have it. The server must keep
	// it: list server.AddressHeader in server.Config.KeepHeaders.
	Address string
}

// addressHeader is server.AddressHeader, which a test compares.
const addressHeader = "Holdfast-Client-Address"

// Gateway connects sessions with a backend. Many goroutines may call its methods at the same time.
type Gateway struct {
	cfg    Config
	target *url.URL
	dialer websocket.Dialer
	warn   *limitedlog.Logger // for what strangers can cause
}

// New makes a Gateway. Its error says which settings are wrong.
func New(cfg Config) (*Gateway, error) {
	target, err := url.Parse(cfg.Target)
	switch {
	case err != nil || target.Host == "" || target.Scheme != "ws" && target.Scheme != "wss":
		return nil, errors.New("gateway: Target is not ws://host/path or wss://host/path")
	case target.User != nil || target.RawQuery != "" || target.ForceQuery || strings.Contains(cfg.Target, "#"):
		return nil, errors.New("gateway: Target has a user, a query or a fragment")
	}
	names := slices.Clone(cfg.Headers)
	for _, name := range []string{cfg.Identity.Principal, cfg.Identity.Session, cfg.Identity.Address} {
		if name != "" {
			names = append(names, name)
		}
	}
	for _, name := range names {
		switch key := http.CanonicalHeaderKey(name); {
		case name == "", key == "Host", key == "Upgrade", key == "Connection", strings.HasPrefix(key, "Sec-Websocket-"):
			return nil, fmt.Errorf("gateway: the header %q belongs to the handshake", name)
		}
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = 1 << 20
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = time.Minute
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Gateway{
		cfg:    cfg,
		target: target,
		// no proxy, no redirects, no compression
		dialer: websocket.Dialer{HandshakeTimeout: cfg.DialTimeout, TLSClientConfig: cfg.TLS},
		warn:   limitedlog.New(cfg.Logger),
	}, nil
}

// OnSession is for server.Config.OnSession: it connects the session with the backend, on two
// goroutines that end with it.
func (g *Gateway) OnSession(s *session.Session) { go g.serve(s) }

func (g *Gateway) serve(s *session.Session) {
	p := &pipe{s: s, writeTimeout: g.cfg.WriteTimeout, keepAlive: g.cfg.KeepAlive}
	req, err := parseRequest(s.Meta(), g.cfg.PathParameters)
	if err != nil {
		g.cfg.Logger.Debug("gateway: request refused", "session", s.ID(), "error", err)
		p.end(codePolicy, "bad request")
		return
	}
	conn, err := g.dial(s, req)
	if err != nil {
		g.warn.Warn("gateway: no connection to the backend", "session", s.ID(), "error", err)
		p.end(codeAbnormal, "no connection to the backend")
		return
	}
	conn.SetReadLimit(int64(g.cfg.MaxMessage))
	p.conn = conn
	if len(req.Protocols) == 0 && conn.Subprotocol() != "" { // browsers reject such an answer
		_ = conn.Close()
		p.end(codeAbnormal, "a subprotocol that nobody offered")
		return
	}
	if len(req.Protocols) > 0 { // the client waits for the choice of the backend
		if _, err := s.Send(context.Background(), session.Text(conn.Subprotocol())); err != nil {
			_ = conn.Close()
			return
		}
	}
	p.run()
}

func (g *Gateway) dial(s *session.Session, req request) (*websocket.Conn, error) {
	header := make(http.Header)
	for _, name := range g.cfg.Headers {
		if values := s.Header().Values(name); len(values) > 0 {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	for name, value := range map[string]string{
		g.cfg.Identity.Principal: s.Principal(),
		g.cfg.Identity.Session:   s.ID(),
		g.cfg.Identity.Address:   s.Header().Get(addressHeader),
	} {
		if name == "" {
			continue
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			return nil, errors.New("a control character in what identifies the client")
		}
		header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	dialer := g.dialer
	dialer.Subprotocols = req.Protocols
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DialTimeout)
	defer cancel()
	conn, answer, err := dialer.DialContext(ctx, req.below(g.target).String(), header)
	if answer != nil {
		_ = answer.Body.Close()
		if err != nil {
			err = fmt.Errorf("status %d: %w", answer.StatusCode, err)
		}
	}
	return conn, err
}

// The close codes of RFC 6455 that this package uses itself.
const (
	codeGoingAway = 1001
	codeNone      = 1005 // no code was given; never sent
	codeAbnormal  = 1006 // the connection broke; never sent
	codeNotText   = 1007
	codePolicy    = 1008
	codeTooBig    = 1009
	codeLater     = 1013
)

// sessionEnds is the session's close code for every end of the WebSocket; the code of the WebSocket
// is in the reason.
const sessionEnds = transport.CodeDone
