// Package ticket issues tickets for a browser's EventSource, which can send neither a body nor a
// header: a random word in the URL that stands for the session once, for a short time (HF1-SSE-06).
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
	// Life is how long a ticket may be used, and the longest that the protocol allows.
	Life = 30 * time.Second
	// DefaultMax bounds how many tickets are outstanding.
	DefaultMax = 10_000
	// MaxPerOwner bounds how many of them one owner has. A client needs one at a time, and one more
	// for each that was lost on the way.
	MaxPerOwner = 4

	// size is the length of what [rand.Text] returns: at least 128 random bits in base32, safe in a
	// URL as it stands.
	size = 26
)

// Table keeps the outstanding tickets and what each stands for. It holds their hashes only, so that
// a look into memory or a dump yields no ticket, and the time of a look-up says nothing of the
// tickets. There is no sweeper: the expired ones go when the table is used next. Its methods may be
// called by many goroutines at once.
type Table[V any] struct {
	mu sync.Mutex
	// live is in the order of issue, which is the order of expiry too, since entries are never
	// touched again.
	live *simplelru.LRU[hash, entry[V]]
	// owned has each owner's tickets in the order of issue.
	owned map[string][]hash
}

type hash = [sha256.Size]byte

type entry[V any] struct {
	owner   string
	value   V
	expires time.Time
}

// New makes a table of at most max tickets; max ≤ 0 is [DefaultMax]. At the bound a new ticket
// drops the oldest, whose holder then has to ask for another.
func New[V any](max int) *Table[V] {
	if max <= 0 {
		max = DefaultMax
	}
	t := &Table[V]{owned: map[string][]hash{}}
	t.live, _ = simplelru.NewLRU(max, t.disown) // fails for a size below 1 only
	return t
}

// Issue returns a new ticket for v. At [MaxPerOwner] it drops the owner's oldest, so that nobody
// can push out everybody else's. The ticket is a secret: never log it (HF1-WHO-12).
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
	t.live.Add(key, entry[V]{owner, v, now.Add(Life)})
	t.owned[owner] = append(t.owned[owner], key)
	return ticket
}

// disown follows every removal from live.
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

// Take spends a ticket: it returns what the ticket stands for to exactly one caller, within [Life]
// of its issue.
func (t *Table[V]) Take(ticket string) (V, bool) {
	var none V
	if len(ticket) != size {
		return none, false // not one of ours, so not worth a hash of whatever length it has
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
