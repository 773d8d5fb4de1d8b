package session

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// TestStates follows both ends of a session from its start to its end, with what the table tells on the way.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		var server *Session
		told := map[string]int{}
		var ended []State
		gate := make(chan struct{})
		c, _ := pair(TableConfig{
			Authenticate: func(context.Context, *Handshake) (string, error) { <-gate; return "", nil },
			OnSession: func(s *Session) {
				server = s
				s.OnMessage(func(m Message) { _, _ = s.Send(ctx, m) })
			},
			OnEnd:   func(s *Session) { ended = append(ended, s.State()) },
			Observe: func(o Observation) { told[o.What] += o.N },
		}, transport.WebSocket)
		if got := c.State(); got != StateConnecting {
			t.Errorf("before it is open the client is %s", got)
		}
		close(gate)
		if _, err := c.Send(ctx, Text("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c.State() != StateAttached || server.State() != StateAttached {
			t.Errorf("client %s, server %s; want both attached", c.State(), server.State())
		}
		if _, over := c.Ended(); over {
			t.Error("a living session says that it has ended")
		}
		if _, err := server.Send(ctx, Text("not taken yet")); err != nil {
			t.Fatal(err)
		}
		server.EndWith(transport.CodeDraining, "bye")
		synctest.Wait()
		if got := server.State(); got != StateClosing {
			t.Errorf("after EndWith the server is %s", got)
		}
		if _, err := c.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(ctx); err == nil {
			t.Fatal("a message after the last")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		end, over := c.Ended()
		if !over || end.Code != transport.CodeDraining || end.Sent != 1 || end.Delivered != 1 || !end.Exact {
			t.Errorf("client ended %v: %+v", over, end)
		}
		if c.State() != StateEnded || len(ended) != 1 || ended[0] != StateEnded {
			t.Errorf("client %s, OnEnd saw %v", c.State(), ended)
		}
		if told["up"] != 1 || told["down"] != 2 || told["attach"] != 1 {
			t.Errorf("observed %v", told)
		}
	})
}

// TestRefusedIsTold: who asks for a session that does not exist is refused, and the peer's hook says why.
func TestRefusedIsTold(t *testing.T) {
	table := NewTable(TableConfig{})
	var reason string
	up, down := make(chan transport.Batch, 1), make(chan transport.Batch, 1)
	c := &memConn{kind: transport.KindUp, in: up, out: down, gone: make(chan struct{}), stop: new(sync.Once)}
	up <- transport.Batch{Parts: [][]byte{[]byte("@1 0\n!up {\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"run\":\"0123456789abcdef\",\"att\":1}\n")}}
	table.Serve(context.Background(), c, &Peer{OriginOK: true, Refused: func(r string) { reason = r }})
	if reason != "unknown" {
		t.Errorf("told %q, want unknown; answer %q", reason, (<-down).Parts)
	}
}
