package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"hash/maphash"
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

const (
	shardCount    = 64
	maxTombstones = 100_000
	tombstoneTTL  = 10 * time.Minute
)

// Registry holds the sessions of one server process and finds the one that a conn speaks for. It
// may be used by many goroutines at once.
type Registry struct {
	shared
	seed     maphash.Seed
	shards   [shardCount]shard
	count    atomic.Int64
	draining atomic.Bool
	// owner says which node has a session that this process does not know: "" for none, or this
	// one. It is asked between lookup and create, without locks. Nil: there is one node.
	owner func(ctx context.Context, id string) (node string, err error)
}

type shard struct {
	mu         sync.Mutex
	live       map[string]*serverSession
	tombstones *simplelru.LRU[string, tombstone] // HF1-WHO-11
	creating   map[string]chan struct{}          // closed when it is decided whether the session is made
}

// tombstone is what is left of an ended session.
type tombstone struct {
	run       string
	principal string
	last      wire.Closed
	until     time.Time
}

// NewRegistry makes a Registry. Values out of their bounds are taken as the nearest bound.
func NewRegistry(cfg RegistryConfig) *Registry {
	cfg.setDefaults()
	r := &Registry{seed: maphash.MakeSeed()}
	r.cfg, r.remove = cfg, r.removeEnded
	reclaim := reclaimer{pool: &r.pool, ttl: cfg.TTL, sessions: r.all}
	r.pool.size, r.pool.reclaim = cfg.MaxRetained, reclaim.run
	r.rules = servermachine.NewRules(r.machineConfig())
	for i := range r.shards {
		r.shards[i].live = map[string]*serverSession{}
		// It fails only for a size below 1.
		r.shards[i].tombstones, _ = simplelru.NewLRU[string, tombstone](maxTombstones/shardCount, nil)
	}
	return r
}

// machineConfig is what the machines of the sessions need to know.
func (s *shared) machineConfig() servermachine.Config {
	cfg := s.cfg
	return servermachine.Config{
		Node: cfg.Node, MaxBatch: cfg.MaxBatch, MaxMessage: cfg.MaxMessage, Window: int64(cfg.Window),
		Ping: cfg.Ping, Hold: cfg.Hold, TTL: cfg.TTL, CloseTimeout: cfg.CloseGrace,
		MaxStreamBytes: servermachine.MaxStreamBytes, Random: randomID, Observed: cfg.Observe != nil,
		IssuesTickets: cfg.IssueTicket != nil,
	}
}

// randomID is 128 random bits in 22 characters.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (r *Registry) shard(id string) *shard {
	return &r.shards[maphash.String(r.seed, id)%shardCount]
}

// find finds a living session by its id, nil if there is none.
func (r *Registry) find(id string) *serverSession {
	sh := r.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.live[id]
}

// Session finds a living session by its id, nil if there is none.
func (r *Registry) Session(id string) *Session {
	if s := r.find(id); s != nil {
		return &s.Session
	}
	return nil
}

// Valid says whether the ticket's session still lives, to answer 204 before a stream is begun.
func (r *Registry) Valid(k Ticket) bool {
	s := r.find(k.t.Session)
	return s != nil && s.machine.Run() == k.t.Run // a run does not change
}

// Sessions walks the living sessions, shard by shard. Sessions that come or go meanwhile may be
// missed.
func (r *Registry) Sessions() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		for s := range r.all {
			if !yield(&s.Session) {
				return
			}
		}
	}
}

// all is Sessions with their server's side.
func (r *Registry) all(yield func(*serverSession) bool) {
	for i := range r.shards {
		for _, s := range r.shards[i].all() {
			if !yield(s) {
				return
			}
		}
	}
}

func (sh *shard) all() []*serverSession {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	all := make([]*serverSession, 0, len(sh.live))
	for _, s := range sh.live {
		all = append(all, s)
	}
	return all
}

// Len is the number of living sessions.
func (r *Registry) Len() int { return int(r.count.Load()) }

// Retained is the number of bytes that sessions keep.
func (r *Registry) Retained() int64 { return r.pool.retained.Load() }

// IsShort tells whether the memory for messages is short, so that it is shared: see
// RegistryConfig.MaxRetained.
func (r *Registry) IsShort() bool { return r.pool.isShort() }

// StopAccepting makes the registry refuse new sessions as draining. Living ones go on.
func (r *Registry) StopAccepting() { r.draining.Store(true) }

// removeEnded takes an ended session out and leaves a tombstone, unless its client never knew it.
func (r *Registry) removeEnded(s *serverSession, now time.Time) {
	s.mu.Lock()
	id, run, principal := s.machine.ID(), s.machine.Run(), s.machine.Principal()
	last, known := s.machine.Tombstone()
	s.mu.Unlock()
	sh := r.shard(id)
	sh.mu.Lock()
	gone := sh.live[id] == s
	if gone {
		delete(sh.live, id)
		if known {
			sh.tombstones.Add(id, tombstone{run, principal, last, now.Add(tombstoneTTL)})
		}
	}
	sh.mu.Unlock()
	if !gone {
		return
	}
	r.leave(s)
	r.release(s.addr)
	if r.cfg.OnEnd != nil {
		r.cfg.OnEnd(&s.Session)
	}
}

// release gives back what reserve has taken.
func (r *Registry) release(addr netip.Addr) {
	r.count.Add(-1)
	if r.cfg.Release != nil {
		r.cfg.Release(addr)
	}
}

// leave takes a session out of the books of its owners.
func (r *Registry) leave(s *serverSession) {
	r.pool.addresses.leave(s.addr)
	if s.byName != nil {
		r.pool.principals.leave(s.machine.Principal())
	}
}
