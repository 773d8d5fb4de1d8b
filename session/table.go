package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"iter"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Peer is what the server knows of who sent a request, from outside the protocol.
type Peer struct {
	// Header is the request's header, for Authenticate.
	Header http.Header
	// Addr is the client's address, for limits and logs.
	Addr netip.Addr
	// Origin is the request's Origin, "" if there was none.
	Origin string
	// OriginOK says that the Origin passes by itself. If not, it passes only for a session that it created (HF1-WHO-09).
	OriginOK bool
	// Refused, if set, is told why a carrier was refused, for logs.
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

// TableConfig configures a [Table]. Its zero value works: anyone is let in, as principal "".
type TableConfig struct {
	// Node names this process in "opened". Default "holdfast".
	Node string
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// MaxMessage is the largest message either way, in bytes. Default 1 MiB, bounds 1 KiB … 16 MiB.
	MaxMessage int
	// Window is how many unacknowledged bytes (payload + 16 a line) each side of a session may have. Default 2 MiB; raised to hold MaxMessage.
	Window int
	// MaxSessions bounds the living sessions; at the bound new ones are refused busy. Default 1,000,000.
	MaxSessions int
	// MaxRetained bounds the bytes that all sessions together keep, sent and not acknowledged or received and not taken. At the bound new
	// sessions are refused busy, Send returns [ErrFull], and a session that brings more while a quarter of its window is untaken is ended, 4203.
	// Default 1 GiB.
	MaxRetained int64
	// Ping is the time of silence after which a path is pinged. Default 20 s, bounds 5 s … 25 s.
	Ping time.Duration
	// Hold is the longest that a poll waits. Default 20 s, bounds 5 s … 25 s.
	Hold time.Duration
	// TTL is how long a session outlives its client's last packet. Default 120 s, bounds 30 s … 24 h.
	TTL time.Duration
	// CloseGrace is how long a session that was closed here waits for the client's last ack. Default 10 s.
	CloseGrace time.Duration
	// KeepHeaders names headers of a session's first request that are kept for [Session.Header]. Default: none.
	KeepHeaders []string
	// Authenticate names the principal of an open, or refuses it with an error. It runs for every open, before any lookup, without locks.
	Authenticate func(context.Context, *Handshake) (principal string, err error)
	// Admit is asked before a session is made; false refuses it busy. Release is called when that session has ended.
	Admit   func(netip.Addr) bool
	Release func(netip.Addr)
	// OnSession is called once for a new session, before its first message is delivered. It must return; a goroutine of its own is the session's to start.
	// If it panics the session is ended with 4202, and the panic goes on to the caller of Serve.
	OnSession func(*Session)
	// OnEnd is called when a session has ended, for logs; messages may still wait for the application. It must not block.
	OnEnd func(*Session)
	// IssueTicket makes a ticket for an EventSource. Nil: tickets are not given.
	IssueTicket func(Ticket) string
	// Observe is told facts for metrics. It must not block.
	Observe func(Observation)
}

// Ticket is what an EventSource's ticket stands for (HF1-SSE-06).
type Ticket struct {
	id, run      string
	att, u, recv uint64
}

// Session is the id of the session that asked for the ticket.
func (k Ticket) Session() string { return k.id }

// Observation is one fact for metrics.
type Observation struct {
	// What: attach, select, refuse, detach, rtt, replay; up, down for each message.
	What string
	// Transport is the transport concerned.
	Transport string
	// Other is the outcome of an attach, the transport switched from, the reason of a refusal.
	Other string
	// N counts messages or lines.
	N int
	// RTT is a round trip.
	RTT time.Duration
}

const (
	shards        = 64
	tombstonesMax = 100_000
	tombstoneFor  = 10 * time.Minute
)

// Table holds the sessions of one server process and finds the one that a carrier speaks for. It may be used by many goroutines at once.
type Table struct {
	cfg      TableConfig
	machine  serverConfig
	seed     maphash.Seed
	shards   [shards]shard
	count    atomic.Int64
	retained atomic.Int64
	draining atomic.Bool
	timers   [8]timers
}

type shard struct {
	mu     sync.Mutex
	live   map[string]*Session
	graves *simplelru.LRU[string, grave] // HF1-WHO-11
}

// grave is what is left of an ended session.
type grave struct {
	run       string
	principal string
	last      closedControl
	until     time.Time
}

// NewTable makes an empty table.
func NewTable(cfg TableConfig) *Table {
	cfg.Node = or(cfg.Node, "holdfast")
	cfg.MaxBatch = bound(or(cfg.MaxBatch, 65536), 2048, maxBatchBound)
	cfg.MaxMessage = bound(or(cfg.MaxMessage, 1<<20), 1<<10, 16<<20)
	cfg.Window = max(or(cfg.Window, 2<<20), cfg.MaxMessage+cfg.MaxMessage/1024*lineCost+4096)
	cfg.MaxSessions = or(cfg.MaxSessions, 1_000_000)
	cfg.MaxRetained = or(cfg.MaxRetained, 1<<30)
	cfg.Ping = bound(or(cfg.Ping, 20*time.Second), 5*time.Second, 25*time.Second)
	cfg.Hold = bound(or(cfg.Hold, 20*time.Second), 5*time.Second, 25*time.Second)
	cfg.TTL = bound(or(cfg.TTL, 120*time.Second), 30*time.Second, 24*time.Hour)
	cfg.CloseGrace = or(cfg.CloseGrace, closeGrace)
	t := &Table{cfg: cfg, seed: maphash.MakeSeed()}
	t.machine = serverConfig{
		node: cfg.Node, maxBatch: cfg.MaxBatch, maxMessage: cfg.MaxMessage, win: int64(cfg.Window),
		ping: cfg.Ping, hold: cfg.Hold, ttl: cfg.TTL, grace: cfg.CloseGrace, random: randomID, streamMost: streamMost,
	}
	if cfg.Observe != nil {
		t.machine.observe = func(o observation) { cfg.Observe(Observation{o.what, o.transport, o.other, o.n, o.rtt}) }
	}
	if cfg.IssueTicket != nil {
		t.machine.ticket = func(m *serverMachine, c ticketControl) string {
			return cfg.IssueTicket(Ticket{m.id, m.run, c.Att, c.U, c.Recv})
		}
	}
	for i := range t.shards {
		t.shards[i].live = map[string]*Session{}
		t.shards[i].graves, _ = simplelru.NewLRU[string, grave](tombstonesMax/shards, nil) // fails only for a size below 1
	}
	return t
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func bound[T int | time.Duration](v, low, high T) T { return min(max(v, low), high) }

// randomID is 128 random bits in 22 characters.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (t *Table) shard(id string) *shard {
	return &t.shards[maphash.String(t.seed, id)%shards]
}

// Session finds a living session by its id, nil if there is none.
func (t *Table) Session(id string) *Session {
	s := t.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

// Sessions walks the living sessions, shard by shard; sessions that come or go meanwhile may be missed.
func (t *Table) Sessions() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		for i := range t.shards {
			s := &t.shards[i]
			s.mu.Lock()
			all := make([]*Session, 0, len(s.live))
			for _, x := range s.live {
				all = append(all, x)
			}
			s.mu.Unlock()
			for _, x := range all {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// Len is the number of living sessions.
func (t *Table) Len() int { return int(t.count.Load()) }

// Retained is the number of bytes that sessions keep.
func (t *Table) Retained() int64 { return t.retained.Load() }

// Refuse makes the table refuse new sessions as draining; living ones go on.
func (t *Table) Refuse() { t.draining.Store(true) }

// bury takes an ended session out of the table and leaves a tombstone, unless its client never knew it.
func (t *Table) bury(s *Session, now time.Time) {
	sh := t.shard(s.id)
	sh.mu.Lock()
	gone := sh.live[s.id] == s
	if gone {
		delete(sh.live, s.id)
		if !s.server.forget {
			sh.graves.Add(s.id, grave{s.server.run, s.server.principal, s.server.closedControl(), now.Add(tombstoneFor)})
		}
	}
	sh.mu.Unlock()
	if !gone {
		return
	}
	t.count.Add(-1)
	if t.cfg.Release != nil {
		t.cfg.Release(s.addr)
	}
	if t.cfg.OnEnd != nil {
		t.cfg.OnEnd(s)
	}
}
