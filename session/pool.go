package session

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shortFraction of the pool in use makes it short: shares bind from then on.
	shortNumerator, shortDenominator = 3, 4
	// reclaimInterval is how often a pool that is short is looked at.
	reclaimInterval = 250 * time.Millisecond
	// minStall is how long a session of somebody who is over the share must have made no progress
	// before it is ended to make room.
	minStall = 5 * time.Second
)

// pool is the memory that the messages of all sessions may take, in bytes. While it is short it is
// shared among addresses, and among principals, so that nobody takes what others need: whoever
// wants little gets it, and the rest is divided equally (max-min fair).
type pool struct {
	size       int64
	retained   atomic.Int64
	addresses  shares[netip.Addr]
	principals shares[string]
	reclaiming atomic.Bool
	reclaim    func() // makes room while the pool is short
}

// room is what may be retained before the pool is short.
func (p *pool) room() int64 { return p.size / shortDenominator * shortNumerator }

// isShort: shares bind.
func (p *pool) isShort() bool { return p.retained.Load() > p.room() }

// isFull: nothing more is taken from anybody.
func (p *pool) isFull() bool { return p.retained.Load() > p.size }

// add books what a session retains more, or less.
func (p *pool) add(n int64) {
	if p.retained.Add(n) > p.room() && n > 0 && p.reclaim != nil && p.reclaiming.CompareAndSwap(false, true) {
		p.divide()
		go p.reclaim()
	}
}

// divide sets the shares anew.
func (p *pool) divide() {
	p.addresses.divide(p.room())
	p.principals.divide(p.room())
}

// relax lets everybody take what is there again.
func (p *pool) relax() {
	p.addresses.level.Store(0)
	p.principals.level.Store(0)
	p.reclaiming.Store(false)
}

// shares are the owners of one kind, by address or by principal.
type shares[K comparable] struct {
	mu     sync.Mutex
	owners map[K]*owner
	level  atomic.Int64 // whoever retains more is over the share; 0: no share binds
}

// owner is whom sessions belong to.
type owner struct {
	retained atomic.Int64
	sessions int // under the lock of its shares
}

// join counts one more session of an owner.
func (s *shares[K]) join(key K) *owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		if s.owners == nil {
			s.owners = map[K]*owner{}
		}
		o = new(owner)
		s.owners[key] = o
	}
	o.sessions++
	return o
}

// leave is called when a session that has joined has ended.
func (s *shares[K]) leave(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[key]; o != nil {
		if o.sessions--; o.sessions == 0 {
			delete(s.owners, key)
		}
	}
}

// isOver: the owner retains more than its share.
func (s *shares[K]) isOver(o *owner) bool {
	level := s.level.Load()
	return o != nil && level > 0 && o.retained.Load() > level
}

// divide finds the share: the level at which all owners together, each with no more than that, have
// the room.
func (s *shares[K]) divide(room int64) {
	s.mu.Lock()
	all := make([]int64, 0, len(s.owners))
	for _, o := range s.owners {
		if n := o.retained.Load(); n > 0 {
			all = append(all, n)
		}
	}
	s.mu.Unlock()
	slices.Sort(all)
	level := int64(math.MaxInt64)
	for i, n := range all {
		equal := room / int64(len(all)-i) // of what is left for those who have this much or more
		if n > equal {
			level = max(equal, 1)
			break
		}
		room -= n
	}
	s.level.Store(level)
}
