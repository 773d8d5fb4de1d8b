package session

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// TestStates follows both ends of a session from its start to its end, with the callbacks and
// observations of the registry.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		var server *Session
		observed := map[ObservationKind]int{}
		var ended []State
		gate := make(chan struct{})
		c, _ := pair(RegistryConfig{
			Authenticate: func(context.Context, *Handshake) (string, error) { <-gate; return "", nil },
			OnSession: func(s *Session) {
				server = s
				s.OnMessage(func(m Message) { _, _ = s.Send(ctx, m) })
			},
			OnEnd:   func(s *Session) { ended = append(ended, s.State()) },
			Observe: func(o Observation) { observed[o.Kind] += o.Count },
		}, transport.WebSocket)
		if got := c.State(); got != StateConnecting {
			t.Errorf("before it is open, the client is %s", got)
		}
		close(gate)
		if _, err := c.Send(ctx, Text("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c.State() != StateOpen || server.State() != StateOpen {
			t.Errorf("client %s, server %s; want both open", c.State(), server.State())
		}
		if _, over := c.Ended(); over {
			t.Error("Ended reports an open session as ended")
		}
		if _, err := server.Send(ctx, Text("not taken yet")); err != nil {
			t.Fatal(err)
		}
		if err := server.EndWith(transport.CodeDraining, "bye"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := server.State(); got != StateClosing {
			t.Errorf("after EndWith, the server is %s", got)
		}
		if _, err := c.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(ctx); err == nil {
			t.Fatal("the client received a message after the last one")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		end, over := c.Ended()
		if !over || end.Code != transport.CodeDraining || end.Sent != 1 || end.Delivered != 1 || !end.Exact {
			t.Errorf("the client is over: %v, with %+v", over, end)
		}
		if c.State() != StateClosed || len(ended) != 1 || ended[0] != StateClosed {
			t.Errorf("the client is %s, OnEnd was called in the states %v", c.State(), ended)
		}
		if observed[ObservedUp] != 1 || observed[ObservedDown] != 2 || observed[ObservedAttach] != 1 {
			t.Errorf("the registry observed %v", observed)
		}
	})
}

// TestRefusalReason: a request for a session that does not exist is refused, and the callback of
// the peer gets the reason.
func TestRefusalReason(t *testing.T) {
	registry := NewRegistry(RegistryConfig{})
	var reason string
	up, down := make(chan transport.Batch, 1), make(chan transport.Batch, 1)
	c := &memConn{kind: transport.KindUp, in: up, out: down, gone: make(chan struct{}), stop: new(sync.Once)}
	up <- simBatch(false, []byte("@1 0\n"+`!up {"key":"`+testKey+`","run":"0123456789abcdef","att":1}`+"\n"))
	registry.Serve(context.Background(), c, &Peer{OriginOK: true, Refused: func(r string) { reason = r }})
	if reason != "unknown" {
		t.Errorf("the reason is %q, want unknown; the answer is %q", reason, (<-down).Parts)
	}
}
