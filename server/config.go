package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-rt/holdfast/server/internal/origin"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// Handshake is what Config.Authenticate checks.
type Handshake = session.Handshake

// Config configures a [Server]. Its zero value works: anyone from the same origin may open a
// session, as principal "". Without OnSession nobody reads the messages, and they are kept until
// the session ends.
type Config struct {
	// OnSession is called once for each new session, before its first message is delivered, and
	// must return: register callbacks with OnMessage, or start a goroutine that calls Receive. Many
	// goroutines may call it at the same time. If it panics, the session ends with 4202. A panic
	// here or in Authenticate ends its connection and is logged: by net/http, or on a WebSocket by
	// Logger. Callbacks of OnMessage and OnClose do not run in a request: a panic there ends that
	// session, 4202, and is logged by Logger.
	OnSession func(*session.Session)
	// Authenticate returns the principal of an open, or refuses it with an error, which is logged
	// and not sent to the client. It runs for every open, before the session is looked up; many
	// goroutines may call it at the same time. ctx ends after Limits.Handshake. Default: the
	// principal of everyone is "".
	Authenticate func(ctx context.Context, h *Handshake) (principal string, err error)

	// KeepHeaders names headers of a session's first request to keep for [session.Session.Header],
	// such as Cookie for a gateway, or [AddressHeader]. Default: none.
	KeepHeaders []string

	// Origins lists the pages of other sites that may connect: scheme://host[:port],
	// scheme://*.host[:port], the schemes of apps and extensions (app://., chrome-extension://id),
	// file:// or null. A page that is a file says file:// in a WebSocket and null elsewhere; null
	// lets in both, and every page that makes itself opaque.
	Origins []string
	// Credentials lets pages of listed Origins send cookies, for load balancers with sticky
	// cookies.
	Credentials bool
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Host are believed. The
	// zero Prefix stands for the peers of a unix socket, which have no address of their own and
	// otherwise share one limit. Default: none.
	TrustedProxies []netip.Prefix

	Limits Limits
	Timers Timers

	// Logger gets the start and end of sessions (debug), refusals (debug; the first refusal of an
	// Origin as a warning) and errors, with session ids, but never keys, tickets or payloads. Lines
	// that strangers can cause are limited: ten of each message, then one a minute, with the number
	// of those left out.
	// Default: [slog.Default].
	Logger *slog.Logger
	// Registerer registers the Prometheus collectors. Default: the Server's own registry, for
	// [Server.Metrics].
	Registerer prometheus.Registerer
	// Node is the name of this process in the traces of clients: 1 to 64 of A-Z a-z 0-9 - _ and the
	// dot. Default "holdfast".
	Node string
}

// Limits bound what clients can use. At each bound new sessions are refused; open sessions go on.
type Limits struct {
	// MaxSessions bounds the open sessions. Default 1,000,000.
	MaxSessions int
	// MaxSessionsPerAddress bounds the sessions of one IPv4 address or IPv6 /64; each may have four
	// requests and connections. Default 1,000, because all users of a hospital may share one
	// address; negative: no bound.
	MaxSessionsPerAddress int
	// NewSessionsPerSecond bounds how fast one address opens sessions, after a burst of ten times
	// as many. Default 100; negative: no bound.
	NewSessionsPerSecond int
	// MaxMessage is the largest message in both directions, in bytes. Default 1 MiB, bounds 1 KiB …
	// 16 MiB.
	MaxMessage int
	// MaxBatch is the largest batch accepted, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// Window is how many unacknowledged bytes (payload + 16 per line) each side of a session may
	// have, and so the most that a session retains. Default 2 MiB; raised to hold MaxMessage.
	Window int
	// MaxRetained bounds the memory that the messages of all sessions take together, in bytes.
	// Above three quarters of it addresses and principals share it: for the sessions of whoever has
	// more than a fair share Send does not wait, it fails with [session.ErrServerFull], and new
	// ones are refused. See [session.RegistryConfig]. Default 1 GiB.
	MaxRetained int64
	// Handshake is the time limit for the 101 answer, for the first message of a WebSocket, and for
	// Authenticate. Default 10 s.
	Handshake time.Duration
	// Body is the time limit for the body of a request. Default 10 s.
	Body time.Duration
	// BodyRate is the minimum mean rate of a body in bytes per second, checked after 3 s. Default
	// 500; negative: none.
	BodyRate int
}

// Timers are those of docs/protocol.md, "Timers and bounds".
type Timers struct {
	// Ping is the silence after which an attachment is pinged. Default 20 s, bounds 5 s … 25 s.
	Ping time.Duration
	// Hold is how long a poll waits at most. Default 20 s, bounds 5 s … 25 s.
	Hold time.Duration
	// TTL is how long a session stays open after the last packet of its client. Default 120 s,
	// bounds 30 s … 24 h.
	TTL time.Duration
	// CloseGrace is how long a session closed by the server waits for the client's last acks.
	// Default 10 s, at most 60 s.
	CloseGrace time.Duration
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// check returns an error for every setting out of bounds, because a limit that is silently changed
// is a surprise in production.
func (c *Config) check() error {
	var errs []error
	within := func(name string, v, low, high int64) {
		if v != 0 && (v < low || v > high) {
			errs = append(errs, fmt.Errorf("server: %s is %d, not %d … %d", name, v, low, high))
		}
	}
	during := func(name string, v, low, high time.Duration) {
		if v != 0 && (v < low || v > high) {
			errs = append(errs, fmt.Errorf("server: %s is %v, not %v … %v", name, v, low, high))
		}
	}
	l, t := &c.Limits, &c.Timers
	within("Limits.MaxSessions", int64(l.MaxSessions), 1, 1<<40)
	within("Limits.MaxMessage", int64(l.MaxMessage), 1<<10, 16<<20)
	within("Limits.MaxBatch", int64(l.MaxBatch), 2048, 1<<20)
	within("Limits.Window", int64(l.Window), 4096, 1<<40)
	within("Limits.MaxRetained", l.MaxRetained, 1, 1<<60)
	during("Limits.Handshake", l.Handshake, 100*time.Millisecond, time.Minute)
	during("Limits.Body", l.Body, 100*time.Millisecond, time.Minute)
	during("Timers.Ping", t.Ping, 5*time.Second, 25*time.Second)
	during("Timers.Hold", t.Hold, 5*time.Second, 25*time.Second)
	during("Timers.TTL", t.TTL, 30*time.Second, 24*time.Hour)
	during("Timers.CloseGrace", t.CloseGrace, time.Millisecond, time.Minute)
	if c.Node != "" && !nodeName.MatchString(c.Node) {
		errs = append(errs, fmt.Errorf("server: Node %q is not 1 to 64 of A-Z a-z 0-9 . _ -", c.Node))
	}
	return errors.Join(errs...)
}

// withDefaults sets the defaults of the server itself; package session has its own.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Limits.MaxBatch == 0 {
		c.Limits.MaxBatch = transport.DefaultMaxBatch
	}
	if c.Limits.MaxSessions == 0 {
		c.Limits.MaxSessions = 1_000_000
	}
	if c.Limits.MaxRetained == 0 {
		c.Limits.MaxRetained = 1 << 30
	}
	if c.Limits.NewSessionsPerSecond == 0 {
		c.Limits.NewSessionsPerSecond = 100
	}
	if c.Limits.Handshake == 0 {
		c.Limits.Handshake = 10 * time.Second
	}
	return c
}

func (c *Config) policy() (*origin.Policy, error) {
	return origin.New(origin.Options{Allowed: c.Origins, Credentials: c.Credentials, Logger: c.Logger})
}
