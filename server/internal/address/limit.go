package address

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// DefaultLimit is high, because all users of a hospital may share one address.
const DefaultLimit = 1000

// Limit bounds how many sessions or connections one address has at the same time. It stores only
// addresses that have some, so its memory is bounded by their number. Many goroutines may call its
// methods at the same time.
type Limit struct {
	max int

	mu   sync.Mutex
	held map[netip.Prefix]int
}

// NewLimit allows max per address; 0 is [DefaultLimit], less than 0 is no limit.
func NewLimit(max int) *Limit {
	if max == 0 {
		max = DefaultLimit
	}
	return &Limit{max: max, held: make(map[netip.Prefix]int)}
}

// Acquire counts one more for the address, or returns false at the bound: the newest one is
// refused. Each true needs one [Limit.Release] of the same address.
func (l *Limit) Acquire(a netip.Addr) bool {
	if l.max < 0 {
		return true
	}
	key := Group(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.held[key]
	if n >= l.max {
		return false
	}
	l.held[key] = n + 1
	return true
}

// Release counts one less. A Release without an Acquire is ignored, so that a mistake never raises
// the limit of an address.
func (l *Limit) Release(a netip.Addr) {
	key := Group(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := l.held[key]; n {
	case 0:
	case 1:
		delete(l.held, key)
	default:
		l.held[key] = n - 1
	}
}

// RateOptions are the settings of a [Rate].
type RateOptions struct {
	PerSecond float64 // refilled per address; 0 is 100, less than 0 is no limit
	Burst     int     // at once per address; 0 is 1000, so that a whole hospital can reconnect after a restart
	Addresses int     // remembered; 0 is 10,000
}

// Rate bounds how often one address may do something. It keeps the most recent addresses; at the
// bound it drops the least recent one, which then starts again with a full burst. A client with
// that many addresses is limited by the total limits. Many goroutines may call its methods at the
// same time.
type Rate struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	buckets *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

// NewRate makes a Rate; every bucket starts full.
func NewRate(o RateOptions) *Rate {
	if o.PerSecond == 0 {
		o.PerSecond = 100
	}
	if o.Burst <= 0 {
		o.Burst = 1000
	}
	if o.Addresses <= 0 {
		o.Addresses = 10_000
	}
	buckets, _ := simplelru.NewLRU[netip.Prefix, *rate.Limiter](o.Addresses, nil) // fails only for a size below 1
	return &Rate{perSecond: rate.Limit(o.PerSecond), burst: o.Burst, buckets: buckets}
}

// Allow takes one token of the address. If there is none, retry is the time until the next one.
func (r *Rate) Allow(a netip.Addr) (ok bool, retry time.Duration) {
	if r.perSecond < 0 {
		return true, 0
	}
	key := Group(a)
	r.mu.Lock()
	bucket, found := r.buckets.Get(key)
	if !found {
		bucket = rate.NewLimiter(r.perSecond, r.burst)
		r.buckets.Add(key, bucket)
	}
	r.mu.Unlock()

	now := time.Now()
	reservation := bucket.ReserveN(now, 1)
	if delay := reservation.DelayFrom(now); delay > 0 {
		reservation.CancelAt(now)
		return false, delay
	}
	return true, 0
}
