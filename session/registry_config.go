package session

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/transport"
)

// Peer is what the server knows of who sent a request, from outside the protocol.
type Peer struct {
	// Header is the request's header, for Authenticate.
	Header http.Header
	// Addr is the client's address, for limits and logs.
	Addr netip.Addr
	// Origin is the request's Origin, "" if there was none.
	Origin string
	// OriginOK says that the Origin passes by itself. If not, it passes only for a session that it
	// created (HF1-WHO-09).
	OriginOK bool
	// Refused, if set, is told why a conn was refused, for logs.
	Refused func(reason string)
}

// Handshake is what Authenticate judges.
type Handshake struct {
	*Peer
	// Auth is the client's "auth" field, nil if there was none.
	Auth json.RawMessage
	// Meta is the client's "meta" field.
	Meta json.RawMessage
	// Transport is the name of the transport that asks.
	Transport string
}

// RegistryConfig configures a [Registry]. Its zero value works: anyone is let in, as principal "".
type RegistryConfig struct {
	// Node names this process in "opened". Default "holdfast".
	Node string
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// MaxMessage is the largest message either way, in bytes. Default 1 MiB, bounds 1 KiB … 16 MiB.
	MaxMessage int
	// Window is how many unacknowledged bytes (payload + 16 a line) each side of a session may
	// have. Default 2 MiB; raised to hold MaxMessage.
	Window int
	// MaxSessions bounds the living sessions; at the bound new ones are refused busy. Default
	// 1,000,000.
	MaxSessions int
	// MaxRetained bounds the memory, in bytes, that the messages of all sessions together take:
	// sent and not acknowledged, or received and not taken. Above three quarters of it nobody takes
	// more than a fair share: addresses share it, and so do principals. For the sessions of whoever
	// is over the share Send returns [ErrServerFull], and one that brings more while its
	// application has not taken what it brought is ended, 4203; new ones are refused busy. Sessions
	// that hold bytes without progress are ended to make room: those without any for TTL first,
	// then the largest of whoever is over the share. Default 1 GiB.
	MaxRetained int64
	// Ping is the time of silence after which a path is pinged. Default 20 s, bounds 5 s … 25 s.
	Ping time.Duration
	// Hold is the longest that a poll waits. Default 20 s, bounds 5 s … 25 s.
	Hold time.Duration
	// TTL is how long a session outlives its client's last packet. Default 120 s, bounds 30 s … 24
	// h.
	TTL time.Duration
	// CloseGrace is how long a session that was closed here waits for the client's last ack.
	// Default 10 s.
	CloseGrace time.Duration
	// KeepHeaders names headers of a session's first request that are kept for [Session.Header].
	// Default: none.
	KeepHeaders []string
	// Authenticate names the principal of an open, or refuses it with an error. It runs for every
	// open, before any lookup, without locks.
	Authenticate func(context.Context, *Handshake) (principal string, err error)
	// Admit is asked before a session is made; false refuses it busy. Release is called when that
	// session has ended.
	Admit   func(netip.Addr) bool
	Release func(netip.Addr)
	// OnSession is called once for a new session, before its first message is delivered. It must
	// return; a goroutine of its own is the session's to start. If it panics the session is ended
	// with 4202, and the panic goes on to the caller of Serve.
	OnSession func(*Session)
	// OnEnd is called when a session has ended, for logs; messages may still wait for the
	// application. It must not block.
	OnEnd func(*Session)
	// IssueTicket makes a ticket for an EventSource. It must not block. Nil: tickets are not given.
	IssueTicket func(Ticket) string
	// Observe is told facts for metrics. It must not block.
	Observe func(Observation)
	// Logger is told when a callback of OnMessage or OnClose panicked. Default: slog.Default().
	Logger *slog.Logger
}

func (cfg *RegistryConfig) setDefaults() {
	cfg.Node = or(cfg.Node, "holdfast")
	cfg.MaxBatch = clamp(or(cfg.MaxBatch, transport.DefaultMaxBatch), 2048, logs.MaxBatch)
	cfg.MaxMessage = clamp(or(cfg.MaxMessage, 1<<20), 1<<10, 16<<20)
	cfg.Window = max(or(cfg.Window, 2<<20), logs.MaxCost(cfg.MaxMessage))
	cfg.MaxSessions = or(cfg.MaxSessions, 1_000_000)
	cfg.MaxRetained = or(cfg.MaxRetained, 1<<30)
	cfg.Ping = clamp(or(cfg.Ping, 20*time.Second), 5*time.Second, 25*time.Second)
	cfg.Hold = clamp(or(cfg.Hold, 20*time.Second), 5*time.Second, 25*time.Second)
	cfg.TTL = clamp(or(cfg.TTL, 120*time.Second), 30*time.Second, 24*time.Hour)
	cfg.Logger = or(cfg.Logger, slog.Default())
	cfg.CloseGrace = or(cfg.CloseGrace, 10*time.Second)
}

// or is v, or def where v is the zero value.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func clamp[T int | time.Duration](v, low, high T) T { return min(max(v, low), high) }
