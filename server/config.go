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

// Handshake is what Config.Authenticate judges.
type Handshake = session.Handshake

// Config configures a [Server]. Its zero value works: anyone from the same origin may open a
// session, as principal "", and what they send is kept until they are gone, as no OnSession reads
// it.
type Config struct {
	// OnSession is called once for each new session, before its first message is delivered, and
	// must return: register callbacks with OnMessage, or start a goroutine that calls Receive. It
	// may be called by many goroutines at once. If it panics the session is ended, 4202. A panic
	// here or in Authenticate ends its carrier and is logged: by net/http, or on a WebSocket by
	// Logger. What OnMessage and OnClose were given runs apart from any request: nobody recovers a
	// panic there, and it ends the process.
	OnSession func(*session.Session)
	// Authenticate names the principal of an open, or refuses it with an error, which is logged and
	// not told. It runs for every open, by many goroutines at once, before the session is looked
	// up; ctx ends after Limits.Handshake. Default: everyone is "".
	Authenticate func(ctx context.Context, h *Handshake) (principal string, err error)

	// KeepHeaders names headers of a session's first request that are kept with it, for
	// [session.Session.Header]: Cookie, say, for a gateway. Default: none.
	KeepHeaders []string

	// Origins lists the pages of other sites that may connect: scheme://host[:port],
	// scheme://*.host[:port] or null.
	Origins []string
	// Credentials lets pages of listed Origins send cookies, for balancers that stick by cookie.
	Credentials bool
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Host are believed.
	// Default: nobody's.
	TrustedProxies []netip.Prefix

	Limits Limits
	Timers Timers

	// Logger is told of sessions that begin and end (debug), of refusals (debug, a foreign Origin
	// once as a warning) and of what is wrong, with session ids, and never of keys, tickets or
	// payloads. Default: [slog.Default].
	Logger *slog.Logger
	// Registerer is where the Prometheus collectors go. Default: a registry of the Server's own,
	// for [Server.Metrics].
	Registerer prometheus.Registerer
	// Node names this process to clients, for their traces: 1 to 64 of A-Z a-z 0-9 - _ and the dot.
	// Default "holdfast".
	Node string
}

// Limits bound what strangers can take. At each bound the newcomer is refused; who has a session
// keeps it.
type Limits struct {
	// MaxSessions bounds the living sessions. Default 1,000,000.
	MaxSessions int
	// MaxSessionsPerAddress bounds those of one IPv4 address or IPv6 /64; it may have four requests
	// and connections for each. Default 1,000, since a hospital is one address; negative: no bound.
	MaxSessionsPerAddress int
	// NewSessionsPerSecond bounds how fast one address opens sessions, after a burst of ten times
	// as many. Default 100; negative: no bound.
	NewSessionsPerSecond int
	// MaxMessage is the largest message either way, in bytes. Default 1 MiB, bounds 1 KiB … 16 MiB.
	MaxMessage int
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// Window is how many bytes (payload + 16 a line) each side of a session may have
	// unacknowledged, and so what a session retains at most. Default 2 MiB; raised to hold
	// MaxMessage.
	Window int
	// MaxRetained bounds what all sessions retain together, in bytes. At the bound new sessions are
	// refused and Send waits for nothing: it fails with [session.ErrFull]. Default 1 GiB.
	MaxRetained int64
	// Handshake is the time for answering 101 and for the WebSocket's first message, and for
	// Authenticate. Default 10 s.
	Handshake time.Duration
	// Body is the time for a request's body. Default 10 s.
	Body time.Duration
	// BodyRate is the least mean rate of a body in bytes per second, asked for after 3 s. Default
	// 500; negative: none.
	BodyRate int
}

// Timers are those of docs/protocol.md, "Timers and bounds".
type Timers struct {
	// Ping is the silence after which a path is pinged. Default 20 s, bounds 5 s … 25 s.
	Ping time.Duration
	// Hold is the longest that a poll waits. Default 20 s, bounds 5 s … 25 s.
	Hold time.Duration
	// TTL is how long a session outlives its client's last packet. Default 120 s, bounds 30 s … 24
	// h.
	TTL time.Duration
	// CloseGrace is how long a session that this side closed waits for the client's last acks.
	// Default 10 s, at most 60 s.
	CloseGrace time.Duration
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// check tells every setting that is out of bounds: a limit silently changed is a surprise in
// production.
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

// withDefaults fills what the server itself needs; the table knows its own defaults.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Limits.MaxBatch == 0 {
		c.Limits.MaxBatch = transport.DefaultMaxBatch
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
