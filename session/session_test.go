package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// pair is a client and a server that exchange batches in memory.
func pair(cfg RegistryConfig, transports ...string) (*Session, map[string]*memory) {
	r := NewRegistry(cfg)
	dialers, mems := map[string]transport.Dialer{}, map[string]*memory{}
	for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
		m := &memory{registry: r, name: name}
		dialers[name], mems[name] = m, m
	}
	return Dial(DialConfig{Dialers: dialers, Transports: transports}), mems
}

func TestEcho(t *testing.T) {
	for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				c, _ := pair(RegistryConfig{OnSession: func(s *Session) {
					s.OnMessage(func(m Message) {
						if _, err := s.Send(ctx, m); err != nil {
							t.Error(err)
						}
					})
				}}, name)
				for i := range 500 {
					m := Text(fmt.Sprint("message ", i))
					if i%3 == 0 {
						m = Binary(make([]byte, i*10))
					}
					if _, err := c.Send(ctx, m); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 500 {
					m, err := c.Receive(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if i%3 == 0 && len(m.Data) != i*10 || i%3 != 0 && string(m.Data) != fmt.Sprint("message ", i) {
						t.Fatalf("message %d has %d bytes, %.40q", i, len(m.Data), m.Data)
					}
				}
				if got := c.Transport(); got != name {
					t.Errorf("transport %q, want %q", got, name)
				}
				if err := c.Close(ctx); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestCutsLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c, mems := pair(RegistryConfig{OnSession: func(s *Session) {
			s.OnMessage(func(m Message) { _, _ = s.Send(ctx, m) })
		}})
		go func() {
			for i := range 400 {
				_, _ = c.Send(ctx, Text(fmt.Sprint(i)))
				time.Sleep(10 * time.Millisecond)
			}
		}()
		go func() {
			for range 15 {
				time.Sleep(250 * time.Millisecond)
				for _, m := range mems {
					m.cut()
				}
			}
		}()
		for i := range 400 {
			m, err := c.Receive(ctx)
			if err != nil || string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("got %q, %v; want %d", m.Data, err, i)
			}
		}
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
	})
}

func TestDialWithMetaThatIsNoJSONHasEnded(t *testing.T) {
	s := Dial(DialConfig{Meta: []byte("{")})
	_, err := s.Receive(context.Background())
	var end *EndError
	if !errors.As(err, &end) || end.Code != transport.CodeMalformed {
		t.Fatalf("Receive: %v, want an end with code %d", err, transport.CodeMalformed)
	}
}

// Nothing is sent before the application has given its credentials.
func TestNothingBeforeCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := NewRegistry(RegistryConfig{Authenticate: func(_ context.Context, h *Handshake) (string, error) {
			if string(h.Auth) != `"token"` {
				t.Errorf("opened with auth %q", h.Auth)
			}
			return "alice", nil
		}})
		m := &memory{registry: registry}
		c := Dial(DialConfig{
			Dialers: map[string]transport.Dialer{transport.WebSocket: m},
			Auth: func(context.Context) (json.RawMessage, error) {
				time.Sleep(time.Second)
				return json.RawMessage(`"token"`), nil
			},
		})
		ctx := context.Background()
		if _, err := c.Send(ctx, Text("early")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if c.Transport() == "" {
			t.Error("the session is not open after 5 s")
		}
		for s := range registry.Sessions() {
			if msg, err := s.Receive(ctx); err != nil || string(msg.Data) != "early" {
				t.Errorf("received %q, %v", msg.Data, err)
			}
		}
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}
