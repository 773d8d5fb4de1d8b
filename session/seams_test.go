package session

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// A message that goes to many sessions is encoded once, and its bytes count once.
func TestSharedMessageCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		r, clients := manyClients(t, 3)
		p, err := r.prepareShared(Text(strings.Repeat("x", 1000)))
		if err != nil {
			t.Fatal(err)
		}
		for s := range r.Sessions() {
			if _, _, err := s.trySend(&p, false); err != nil {
				t.Fatal(err)
			}
			if got := s.Buffered(); got != p.lines.Cost() {
				t.Errorf("%d bytes are buffered, want %d", got, p.lines.Cost())
			}
		}
		if got := r.Retained(); got != p.lines.Memory() {
			t.Errorf("%d bytes are retained for three sessions, want %d", got, p.lines.Memory())
		}
		for i, c := range clients {
			m, err := c.Receive(ctx)
			if err != nil || len(m.Data) != 1000 {
				t.Fatalf("client %d received %d bytes, %v", i, len(m.Data), err)
			}
			if i < 2 {
				time.Sleep(time.Second) // its ack arrives
				if got := r.Retained(); got != p.lines.Memory() {
					t.Errorf("%d bytes are retained after %d acks", got, i+1)
				}
			}
		}
		time.Sleep(time.Second)
		if got := r.Retained(); got != 0 {
			t.Errorf("%d bytes are retained in the end", got)
		}
		closeAll(t, clients)
	})
}

// A session that ends with a shared message in its log releases it.
func TestSharedMessageIsReleasedByTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, clients := manyClients(t, 1)
		p, err := r.prepareShared(Binary(make([]byte, 5000)))
		if err != nil {
			t.Fatal(err)
		}
		for s := range r.Sessions() {
			if _, _, err := s.trySend(&p, false); err != nil {
				t.Fatal(err)
			}
			if err := s.EndWith(transport.CodeDraining, ""); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // the client takes nothing
		if r.Len() != 0 || r.Retained() != 0 {
			t.Errorf("%d sessions, %d bytes are left", r.Len(), r.Retained())
		}
		closeAll(t, clients)
	})
}

// manyClients opens sessions over WebSockets.
func manyClients(t *testing.T, n int) (*Registry, []*Session) {
	t.Helper()
	r := NewRegistry(RegistryConfig{})
	var clients []*Session
	for range n {
		dialers := map[string]transport.Dialer{transport.WebSocket: &memory{registry: r, name: transport.WebSocket}}
		clients = append(clients, Dial(DialConfig{Dialers: dialers}))
	}
	time.Sleep(time.Second)
	if r.Len() != n {
		t.Fatalf("%d sessions are open, want %d", r.Len(), n)
	}
	return r, clients
}

func closeAll(t *testing.T, clients []*Session) {
	t.Helper()
	for _, c := range clients {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Minute)
}

// After the buffer was full, OnWritable is called once, when half of it is free again.
func TestOnWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		var opened atomic.Pointer[Session]
		c, _ := pair(RegistryConfig{
			MaxMessage: 1024, Window: 8192,
			OnSession: func(s *Session) { opened.Store(s) },
		}, transport.WebSocket)
		time.Sleep(time.Second)
		server := opened.Load()
		var calls atomic.Int64
		server.OnWritable(func() { calls.Add(1) })
		sent := 0
		for ; ; sent++ {
			if _, err := server.TrySend(Text(strings.Repeat("x", 1000))); errors.Is(err, ErrFull) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		full := server.Buffered()
		for i := range sent {
			if _, err := c.Receive(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if half := server.Buffered() <= 8192/2; half != (calls.Load() == 1) {
				t.Errorf("after %d of %d messages %d of %d bytes are buffered, %d calls",
					i+1, sent, server.Buffered(), full, calls.Load())
			}
		}
		if got := server.Buffered(); got != 0 || calls.Load() != 1 {
			t.Errorf("%d bytes, %d calls in the end", got, calls.Load())
		}
		closeAll(t, []*Session{c})
	})
}

// When a session is not here, the registry asks for its node before it makes one. It holds no lock
// meanwhile.
func TestOwnerIsAskedBetweenLookupAndCreate(t *testing.T) {
	b := newBench(t, RegistryConfig{Node: "here"})
	node, asked := "there", 0
	b.registry.owner = func(_ context.Context, id string) (string, error) {
		asked++
		if b.registry.Session(id) != nil { // takes the lock of the session's shard
			t.Error("the node of a session was asked for that is here")
		}
		return node, nil
	}
	b.want(b.first(transport.KindOpen, openOne), `!refused {"reason":"unknown"}`)
	if asked != 1 || b.registry.Len() != 0 {
		t.Fatalf("asked %d times, %d sessions; want 1 and 0", asked, b.registry.Len())
	}
	node = "here"
	b.want(b.first(transport.KindOpen, openOne), "!opened")
	b.want(b.first(transport.KindOpen, openOne), "!opened")
	if asked != 2 || b.registry.Len() != 1 {
		t.Fatalf("asked %d times, %d sessions; want 2 and 1", asked, b.registry.Len())
	}
	b.want(b.first(transport.KindUp, strings.Replace(upOne, "RUN", "another", 1)), "unknown")
	if asked != 2 {
		t.Error("the node of a session was asked for that is here")
	}
}

// A session ends when the identity of its user expires, unless it was renewed before. The machine
// does this in its step.
func TestIdentityExpires(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	c := b.first(transport.KindSocket, openOne)
	b.want(c, "!opened")
	m := &b.s.machine
	m.ExpireAt(b.now.Add(10*time.Second), b.now)
	if d := m.Deadline(); d.After(b.now.Add(10 * time.Second)) {
		t.Fatalf("the machine's deadline is in %v, want 10 s at most", d.Sub(b.now))
	}
	b.now = b.now.Add(9 * time.Second)
	m.ExpireAt(b.now.Add(5*time.Second), b.now)
	b.now = b.now.Add(4 * time.Second)
	if b.tick(); ended(m) {
		t.Fatal("the session ended although its identity was renewed")
	}
	b.now = b.now.Add(time.Second)
	if b.tick(); !ended(m) {
		t.Fatal("the session did not end when its identity expired")
	}
	if e, _ := m.Ending(); e.Code != transport.CodeAuth {
		t.Errorf("the session ended with %d, want %d", e.Code, transport.CodeAuth)
	}
	b.want(c, "!closed", "4301")
}
