package ticket

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTakeOnce(t *testing.T) {
	table := New[string](0)
	a, b := table.Issue("x", "a"), table.Issue("y", "b")
	if a == b || len(a) != size || url.QueryEscape(a) != a {
		t.Fatalf("tickets %q and %q", a, b)
	}
	if v, ok := table.Take(b); !ok || v != "b" {
		t.Errorf("Take = %q, %t", v, ok)
	}
	if v, ok := table.Take(b); ok || v != "" {
		t.Errorf("a second Take = %q, %t", v, ok)
	}
	if v, ok := table.Take(a); !ok || v != "a" {
		t.Errorf("the other: %q, %t", v, ok)
	}
	if n := table.live.Len() + len(table.owned); n != 0 {
		t.Errorf("%d kept", n)
	}
}

// TestOwnerIsBounded: an owner that asks for many tickets loses only its own oldest ones.
func TestOwnerIsBounded(t *testing.T) {
	table := New[int](2 * MaxPerOwner)
	other := table.Issue("other", -1)
	var own []string
	for i := range 10 * MaxPerOwner {
		own = append(own, table.Issue("greedy", i))
	}
	if v, ok := table.Take(other); !ok || v != -1 {
		t.Errorf("another's ticket was pushed out: %d, %t", v, ok)
	}
	for i, ticket := range own {
		if v, ok := table.Take(ticket); ok != (i >= len(own)-MaxPerOwner) || ok && v != i {
			t.Errorf("ticket %d: %d, %t", i, v, ok)
		}
	}
	if n := table.live.Len() + len(table.owned); n != 0 {
		t.Errorf("%d kept", n)
	}
}

func TestTakeRefuses(t *testing.T) {
	table := New[int](0)
	ticket := table.Issue("1", 1)
	for _, bad := range []string{
		"", ticket[1:], ticket + "A", strings.ToLower(ticket), strings.Repeat("A", size), strings.Repeat("A", 1<<20),
		ticket + "\x00",
	} {
		if _, ok := table.Take(bad); ok {
			t.Errorf("took %.40q", bad)
		}
	}
	if _, ok := table.Take(ticket); !ok {
		t.Error("a wrong guess spent the ticket")
	}
}

func TestTicketsAreNotKept(t *testing.T) {
	table := New[int](0)
	ticket := table.Issue("1", 1)
	if dump := fmt.Sprintf("%s %v", table.live.Keys(), table.live.Values()); strings.Contains(dump, ticket) {
		t.Error("the table holds the ticket itself")
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New[int](0)
		early, late := table.Issue("1", 1), table.Issue("2", 2)
		time.Sleep(TTL - time.Nanosecond)
		if _, ok := table.Take(early); !ok {
			t.Error("expired early")
		}
		time.Sleep(time.Nanosecond)
		if v, ok := table.Take(late); ok || v != 0 {
			t.Error("lived too long")
		}
	})
}

func TestExpiredAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New[int](0)
		for i := range 100 {
			table.Issue(fmt.Sprint(i), i)
		}
		time.Sleep(TTL / 2)
		recent := table.Issue("100", 100)
		if n := table.live.Len(); n != 101 {
			t.Fatalf("%d held", n)
		}
		time.Sleep(TTL / 2)
		table.Issue("101", 101)
		if n := table.live.Len(); n != 2 {
			t.Errorf("%d held, want the two that live", n)
		}
		if v, ok := table.Take(recent); !ok || v != 100 {
			t.Error("a living ticket was swept")
		}
	})
}

func TestOldestIsDroppedAtTheBound(t *testing.T) {
	table := New[int](3)
	var tickets []string
	for i := range 4 {
		tickets = append(tickets, table.Issue(fmt.Sprint(i), i))
	}
	if n := table.live.Len(); n != 3 {
		t.Fatalf("%d held", n)
	}
	for i, ticket := range tickets {
		if v, ok := table.Take(ticket); ok != (i > 0) || ok && v != i {
			t.Errorf("ticket %d: %d, %t", i, v, ok)
		}
	}
}

func TestDefaultBound(t *testing.T) {
	table := New[int](-1)
	for i := range DefaultMax + 1 {
		table.Issue(fmt.Sprint(i), i)
	}
	if n, owners := table.live.Len(), len(table.owned); n != DefaultMax || owners != n {
		t.Errorf("%d held, of %d owners", n, owners)
	}
}

func TestOneWinner(t *testing.T) {
	table := New[int](0)
	for range 50 {
		ticket := table.Issue("1", 1)
		var wg sync.WaitGroup
		var wins atomic.Int32
		for range 8 {
			wg.Go(func() {
				if _, ok := table.Take(ticket); ok {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		if n := wins.Load(); n != 1 {
			t.Fatalf("%d took the same ticket", n)
		}
	}
}
