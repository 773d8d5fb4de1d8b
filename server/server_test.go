package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var all = []string{transport.WebSocket, transport.SSE, transport.LongPoll}

// harness is a Server behind net/http on an in-memory network.
type harness struct {
	*server.Server
	net *transporttest.Server
	web *http.Client
}

// open starts a harness, which ends with the bubble of the test.
func open(t *testing.T, cfg server.Config) *harness {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{Server: s, net: transporttest.NewServer(s)}
	h.web = h.net.Client()
	t.Cleanup(func() { h.close(t) })
	return h
}

func (h *harness) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	h.web.CloseIdleConnections()
	h.net.Close()
	synctest.Wait()
}

// dial opens a session; socket, if set, opens the connections of WebSockets.
func (h *harness) dial(t *testing.T, socket dialFunc, transports ...string) *session.Session {
	t.Helper()
	if socket == nil {
		socket = h.net.Dial
	}
	s, err := client.Start(h.net.URL, &client.Options{HTTPClient: h.web, DialContext: socket, Transports: transports})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// echoBack sends every message back.
func echoBack(s *session.Session) {
	s.OnMessage(func(m session.Message) { _, _ = s.Send(context.Background(), m) })
}

// sample is the i-th message of a test: text, or binary, some larger than a batch.
func sample(i int) session.Message {
	switch {
	case i%50 == 7:
		b := make([]byte, 100_000+i)
		for j := range b {
			b[j] = byte(i + j)
		}
		return session.Binary(b)
	case i%3 == 0:
		return session.Binary([]byte{byte(i), 0, '\n', 255})
	}
	return session.Text(fmt.Sprintf("message %d: grüß dich, 世界, \\ \n \r %c", i, rune(0x2028)))
}

// exchange sends n samples and reads their echoes.
func exchange(t *testing.T, s *session.Session, n int, pause time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		for i := range n {
			if _, err := s.Send(ctx, sample(i)); err != nil {
				t.Errorf("send %d: %v", i, err)
				return
			}
			time.Sleep(pause)
		}
	})
	for i := range n {
		m, err := s.Receive(ctx)
		if err != nil {
			t.Fatalf("message %d of %d: %v", i, n, err)
		}
		if want := sample(i); string(m.Data) != string(want.Data) || m.Binary != want.Binary {
			t.Fatalf("message %d is %.60q, want %.60q", i, m.Data, want.Data)
		}
	}
}

// finish closes the session of a client in the regular way.
func finish(t *testing.T, s *session.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	if e, _ := s.Ended(); !e.Exact || e.Delivered != e.Sent {
		t.Errorf("after a regular close the end is %+v", e)
	}
}

func TestEcho(t *testing.T) {
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, server.Config{OnSession: echoBack})
				s := h.dial(t, nil, name)
				exchange(t, s, 200, 0)
				if got := s.Transport(); got != name {
					t.Errorf("transport %q, want %q", got, name)
				}
				n := 0
				for x := range h.Sessions() {
					if n++; h.Session(x.ID()) != x || x.ID() != s.ID() || x.Transport() != name {
						t.Errorf("server has %q over %q, client %q", x.ID(), x.Transport(), s.ID())
					}
				}
				if n != 1 {
					t.Errorf("%d sessions", n)
				}
				finish(t, s)
				synctest.Wait()
				if h.Session(s.ID()) != nil {
					t.Error("the session outlived its end")
				}
			})
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]server.Config{
		"origin":   {Origins: []string{"*"}},
		"message":  {Limits: server.Limits{MaxMessage: 100}},
		"batch":    {Limits: server.Limits{MaxBatch: 1}},
		"sessions": {Limits: server.Limits{MaxSessions: -1}},
		"ping":     {Timers: server.Timers{Ping: time.Second}},
		"ttl":      {Timers: server.Timers{TTL: time.Second}},
		"node":     {Node: "a b"},
	} {
		if _, err := server.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := server.New(server.Config{}); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

// body reads an answer to its end.
func body(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
