package address

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	alice  = netip.MustParseAddr("198.51.100.1")
	bob    = netip.MustParseAddr("198.51.100.2")
	carol  = netip.MustParseAddr("2001:db8::1")
	carol2 = netip.MustParseAddr("2001:db8::ffff")
)

func TestLimit(t *testing.T) {
	l := NewLimit(2)
	for i, want := range []bool{true, true, false, false} {
		if got := l.Acquire(alice); got != want {
			t.Fatalf("Acquire %d = %t", i, got)
		}
	}
	if !l.Acquire(bob) {
		t.Error("one address shut out another")
	}
	l.Release(alice)
	if !l.Acquire(alice) || l.Acquire(alice) {
		t.Error("a release frees exactly one")
	}
	if !l.Acquire(carol) || !l.Acquire(carol2) || l.Acquire(carol) {
		t.Error("a /64 is not counted as one")
	}
	for i, want := range []bool{true, true, false} {
		if got := l.Acquire(netip.Addr{}); got != want {
			t.Errorf("Acquire %d without an address = %t: they are counted together", i, got)
		}
	}
}

func TestLimitForgetsWhoHoldsNothing(t *testing.T) {
	l := NewLimit(2)
	l.Acquire(alice)
	l.Acquire(alice)
	l.Release(alice)
	l.Release(alice)
	if len(l.held) != 0 {
		t.Errorf("%v is kept", l.held)
	}
	l.Release(alice) // one too many
	if len(l.held) != 0 {
		t.Errorf("%v after a release too many", l.held)
	}
	for i, want := range []bool{true, true, false} {
		if got := l.Acquire(alice); got != want {
			t.Errorf("Acquire %d = %t", i, got)
		}
	}
}

func TestLimitDefaults(t *testing.T) {
	l, n := NewLimit(0), 0
	for l.Acquire(alice) {
		n++
	}
	if n != DefaultLimit {
		t.Errorf("%d by default", n)
	}
	l = NewLimit(-1)
	for range DefaultLimit + 1 {
		if !l.Acquire(alice) {
			t.Fatal("a limit where there is none")
		}
	}
	l.Release(alice)
}

func TestLimitConcurrently(t *testing.T) {
	l := NewLimit(10)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 100 {
				if l.Acquire(alice) {
					l.Release(alice)
				}
			}
		})
	}
	wg.Wait()
	if len(l.held) != 0 {
		t.Errorf("%v left", l.held)
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(RateOptions{PerSecond: 2, Burst: 3})
		for i := range 3 {
			if ok, retry := r.Allow(alice); !ok || retry != 0 {
				t.Fatalf("%d: %t %v", i, ok, retry)
			}
		}
		for range 100 { // a refusal takes no token, or the wait would grow
			if ok, retry := r.Allow(alice); ok || retry != 500*time.Millisecond {
				t.Fatalf("%t %v, want to wait 500 ms", ok, retry)
			}
		}
		if ok, _ := r.Allow(bob); !ok {
			t.Error("one address shut out another")
		}
		time.Sleep(500 * time.Millisecond)
		if ok, _ := r.Allow(alice); !ok {
			t.Error("refused after the wait it was told")
		}
		if ok, _ := r.Allow(alice); ok {
			t.Error("refilled too fast")
		}
		time.Sleep(time.Hour)
		n := 0
		for ok := true; ok; n++ {
			ok, _ = r.Allow(alice)
		}
		if n-1 != 3 {
			t.Errorf("burst of %d after an hour", n-1)
		}
	})
}

func TestRateGroupsIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(RateOptions{PerSecond: 1, Burst: 1})
		r.Allow(carol)
		if ok, _ := r.Allow(carol2); ok {
			t.Error("a /64 has two buckets")
		}
	})
}

func TestRateTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(RateOptions{PerSecond: 1, Burst: 1, Addresses: 2})
		r.Allow(alice)
		r.Allow(bob)
		if ok, _ := r.Allow(alice); ok { // makes bob the oldest
			t.Error("forgotten below the bound")
		}
		r.Allow(carol)
		if n := r.buckets.Len(); n != 2 {
			t.Fatalf("%d addresses", n)
		}
		if ok, _ := r.Allow(alice); ok {
			t.Error("the one seen last was forgotten")
		}
		if ok, _ := r.Allow(bob); !ok {
			t.Error("a forgotten address does not start full")
		}
	})
}

func TestRateDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, n := NewRate(RateOptions{}), 0
		for ok := true; ok; n++ {
			ok, _ = r.Allow(alice)
		}
		if n-1 != 1000 {
			t.Errorf("burst of %d by default", n-1)
		}
		if _, retry := r.Allow(alice); retry != 10*time.Millisecond {
			t.Errorf("%v until the next by default", retry)
		}
		r = NewRate(RateOptions{PerSecond: -1})
		for range 5000 {
			if ok, _ := r.Allow(alice); !ok {
				t.Fatal("a limit where there is none")
			}
		}
	})
}
