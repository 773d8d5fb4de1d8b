// Package ticket issues tickets for a browser's EventSource, which can send neither a body nor a
// header: a random text in the URL that names the session once, for a short time (HF1-SSE-06).
package ticket

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// TTL is how long a ticket may be used, and the longest that the protocol allows.
	TTL = 30 * time.Second
	// DefaultMax bounds how many tickets are outstanding.
	DefaultMax = 10_000
	// MaxPerOwner bounds how many of them one owner has. A client needs one at a time, and one more
	// for each that was lost.
	MaxPerOwner = 4

	// size is the length of what [rand.Text] returns: at least 128 random bits in base32, which a
	// URL can hold without escapes.
	size = 26
)

// Table keeps the outstanding tickets and the value of each. It stores only their hashes, so that a
// memory dump has no ticket, and the time of a lookup reveals nothing about tickets. There is no
// cleanup goroutine: expired tickets are removed at the next use of the table. Many goroutines may
// call its methods at the same time.
type Table[V any] struct {
	mu sync.Mutex
	// live is in the order of issue, which is also the order of expiry, because entries are never
	// read in between.
	live *simplelru.LRU[hash, entry[V]]
	// owned has the tickets of each owner in the order of issue.
	owned map[string][]hash
}

type hash = [sha256.Size]byte

type entry[V any] struct {
	owner   string
	value   V
	expires time.Time
}

// New makes a table of at most max tickets; max ≤ 0 is [DefaultMax]. At the bound a new ticket
// replaces the oldest one, whose client must then ask for another.
func New[V any](max int) *Table[V] {
	if max <= 0 {
		max = DefaultMax
	}
	t := &Table[V]{owned: map[string][]hash{}}
	t.live, _ = simplelru.NewLRU(max, t.disown) // fails only for a size below 1
	return t
}

// Issue returns a new ticket for v. At [MaxPerOwner] it drops the oldest ticket of this owner, so
// that one owner cannot push out the tickets of all others. The ticket is a secret: never log it
// (HF1-WHO-12).
func (t *Table[V]) Issue(owner string, v V) string {
	ticket := rand.Text()
	key := sha256.Sum256([]byte(ticket))
	now := time.Now()

	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropExpired(now)
	if own := t.owned[owner]; len(own) == MaxPerOwner {
		t.live.Remove(own[0])
	}
	t.live.Add(key, entry[V]{owner, v, now.Add(TTL)})
	t.owned[owner] = append(t.owned[owner], key)
	return ticket
}

// disown is called for every removal from live.
func (t *Table[V]) disown(key hash, e entry[V]) {
	own := t.owned[e.owner]
	if i := slices.Index(own, key); i >= 0 {
		own = slices.Delete(own, i, i+1)
	}
	if len(own) == 0 {
		delete(t.owned, e.owner)
		return
	}
	t.owned[e.owner] = own
}

// Take uses a ticket up: it returns the value to exactly one caller, within [TTL] after the issue.
func (t *Table[V]) Take(ticket string) (V, bool) {
	var none V
	if len(ticket) != size {
		return none, false // not one of ours: do not hash a text of any length
	}
	key := sha256.Sum256([]byte(ticket))
	now := time.Now()

	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropExpired(now)
	e, ok := t.live.Peek(key)
	if !ok {
		return none, false
	}
	t.live.Remove(key)
	return e.value, true
}

func (t *Table[V]) dropExpired(now time.Time) {
	for {
		_, oldest, ok := t.live.GetOldest()
		if !ok || now.Before(oldest.expires) {
			return
		}
		t.live.RemoveOldest()
	}
}
