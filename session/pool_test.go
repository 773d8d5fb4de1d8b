package session

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// The share is max-min fair: whoever wants less than it gets all, the others get equally much.
func TestSharesDivide(t *testing.T) {
	for _, c := range []struct {
		retained []int64
		room     int64
		want     int64
	}{
		{nil, 100, math.MaxInt64},
		{[]int64{10, 20, 30}, 100, math.MaxInt64},
		{[]int64{500}, 100, 100},
		{[]int64{10, 10, 500}, 100, 80},
		{[]int64{10, 200, 500}, 100, 45},
		{[]int64{60, 60, 60}, 90, 30},
		{[]int64{0, 0, 500}, 100, 100},
	} {
		var s shares[string]
		for i, n := range c.retained {
			s.join(fmt.Sprint(i)).retained.Add(n)
		}
		s.divide(c.room)
		if got := s.level.Load(); got != c.want {
			t.Errorf("%v in %d: the share is %d, want %d", c.retained, c.room, got, c.want)
		}
	}
}

// One address fills the pool with messages that nobody takes, and keeps them. Sessions of other
// addresses see nothing of it, newcomers are let in, and the pool has room again.
func TestNobodyTakesThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		attacker := netip.MustParseAddr("192.0.2.66")
		r := NewRegistry(RegistryConfig{MaxRetained: size, OnSession: func(s *Session) {
			if s.Meta() == nil { // an honest one: an echo
				s.OnMessage(func(m Message) { _, _ = s.Send(context.Background(), m) })
			}
		}})
		dial := func(addr netip.Addr, meta string) *Session {
			cfg := DialConfig{Dialers: map[string]transport.Dialer{
				transport.WebSocket: &memory{registry: r, name: transport.WebSocket, addr: addr},
			}}
			if meta != "" {
				cfg.Meta = []byte(meta)
			}
			return Dial(cfg)
		}
		var honest []*Session
		join := func() {
			addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(len(honest) + 1)})
			honest = append(honest, dial(addr, ""))
		}
		for range 20 {
			join()
		}
		var attackers []*Session
		for range 30 {
			a := dial(attacker, `{"pin":true}`)
			attackers = append(attackers, a)
			for range 100 {
				_, _ = a.TrySend(Text(strings.Repeat("x", 1000)))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for round := range 60 {
			if round == 10 {
				join()
			}
			for i, s := range honest {
				text := fmt.Sprintf("round %d of %d %s", round, i, strings.Repeat("y", 500))
				if _, err := s.Send(ctx, Text(text)); err != nil {
					t.Fatalf("session %d, round %d: %v", i, round, err)
				}
				m, err := s.Receive(ctx)
				if err != nil || string(m.Data) != text {
					t.Fatalf("session %d, round %d: %.20q, %v", i, round, m.Data, err)
				}
			}
			if got := r.Retained(); got > size {
				t.Fatalf("round %d: %d bytes are retained", round, got)
			}
			time.Sleep(time.Second)
		}
		if r.pool.isShort() {
			t.Errorf("%d bytes are still retained", r.Retained())
		}
		ended := 0
		for _, a := range attackers {
			if e, ok := a.Ended(); ok && e.Code == transport.CodeSlow {
				ended++
			}
		}
		if ended == 0 {
			t.Error("no session of the attacker has ended")
		}
		closeAll(t, honest)
		for _, a := range attackers {
			_ = a.EndWith(transport.CodeDone, "")
		}
		time.Sleep(10 * time.Minute)
		if r.Len() != 0 || r.Retained() != 0 || len(r.pool.addresses.owners) != 0 {
			t.Errorf("%d sessions, %d bytes, %d owners are left", r.Len(), r.Retained(), len(r.pool.addresses.owners))
		}
	})
}

// Progress counts when what was let go is as large as what came.
func TestProgressAtTheSameSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, RegistryConfig{})
		b.conn = b.first(transport.KindSocket, openOne)
		b.want(b.conn, "!opened")
		b.send("x")
		b.want(b.conn, "x")
		b.s.book()
		booked, since := b.s.booked, b.s.progressAt
		time.Sleep(time.Second)
		b.frame(b.conn, "@1 1\n")
		b.send("y")
		b.s.book()
		if b.s.booked != booked {
			t.Fatalf("%d bytes are booked, before %d: the test wants them equal", b.s.booked, booked)
		}
		if !b.s.progressAt.After(since) {
			t.Error("the acknowledgement is not taken for progress")
		}
	})
}
