package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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

// changing is a network address whose server can be replaced, as in a restart.
type changing struct {
	*transporttest.Server
	now atomic.Pointer[server.Server]
}

func (c *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.now.Load().ServeHTTP(w, r) }

func newServer(t *testing.T, cfg server.Config) *server.Server {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	if cfg.OnSession == nil {
		cfg.OnSession = echo
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func echo(s *session.Session) {
	s.OnMessage(func(m session.Message) { _, _ = s.Send(context.Background(), m) })
}

func newNetwork(t *testing.T, first *server.Server) *changing {
	t.Helper()
	c := &changing{}
	c.now.Store(first)
	c.Server = transporttest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// sendAndReceive sends a message and waits for its echo.
func sendAndReceive(t *testing.T, s *session.Session, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := s.Send(ctx, session.Text(text)); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Receive(ctx); err != nil || string(m.Data) != text {
		t.Fatalf("sent %q, received %q, error %v", text, m.Data, err)
	}
}

func TestDialWaitsForOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newServer(t, server.Config{}))
		s, err := client.Dial(t.Context(), "ws://holdfast.test/holdfast", &client.Options{DialContext: n.Dial})
		if err != nil {
			t.Fatal(err)
		}
		if s.ID() == "" || s.State() != session.StateOpen {
			t.Errorf("after Dial the session %q is %s", s.ID(), s.State())
		}
		sendAndReceive(t, s, "hello")
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDialFails(t *testing.T) {
	isURLError := func(err error) bool { return errors.Is(err, client.ErrURL) }
	for name, c := range map[string]struct {
		url  string
		cfg  server.Config
		o    client.Options
		want func(error) bool
	}{
		"scheme": {url: "ftp://holdfast.test/", want: isURLError},
		"user":   {url: "http://me:secret@holdfast.test/", want: isURLError},
		"no network": {
			url: "http://holdfast.test/",
			o: client.Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no network")
			}},
			want: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		},
		"credentials refused": {
			url: "http://holdfast.test/",
			cfg: server.Config{Authenticate: func(context.Context, *session.Handshake) (string, error) {
				return "", errors.New("no")
			}},
			want: endsWith(transport.CodeAuth),
		},
		"no credentials": {
			url: "http://holdfast.test/",
			o: client.Options{Auth: func(context.Context) (json.RawMessage, error) {
				return nil, fmt.Errorf("logged out: %w", session.ErrAuth)
			}},
			want: endsWith(transport.CodeAuth),
		},
		"credentials that are not JSON": {
			url:  "http://holdfast.test/",
			o:    client.Options{Auth: func(context.Context) (json.RawMessage, error) { return []byte("{"), nil }},
			want: endsWith(transport.CodeAuth),
		},
		"Origin rejected": {
			url:  "http://holdfast.test/",
			o:    client.Options{Header: http.Header{"Origin": {"https://evil.example"}}},
			want: endsWith(transport.CodePolicy),
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, newServer(t, c.cfg))
				if c.o.DialContext == nil {
					c.o.DialContext = n.Dial
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if s, err := client.Dial(ctx, c.url, &c.o); s != nil || !c.want(err) {
					t.Errorf("Dial returned the session %v and the error %v", s, err)
				}
				time.Sleep(20 * time.Second)
			})
		})
	}
}

func endsWith(code transport.Code) func(error) bool {
	return func(err error) bool {
		var end *session.EndError
		return errors.As(err, &end) && end.Code == code
	}
}

// TestCredentials: the principal comes from Auth, also when the first credentials had expired.
func TestCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		principals := make(chan string, 1)
		n := newNetwork(t, newServer(t, server.Config{
			Authenticate: func(_ context.Context, h *session.Handshake) (string, error) {
				if string(h.Auth) == `"stale"` {
					return "", errors.New("expired")
				}
				return string(h.Auth) + string(h.Meta) + h.Header.Get("X-Test"), nil
			},
			OnSession: func(s *session.Session) { principals <- s.Principal(); echo(s) },
		}))
		asked := 0
		s, err := client.Dial(t.Context(), n.URL, &client.Options{
			DialContext: n.Dial, Transports: []string{transport.SSE},
			Meta: json.RawMessage(`{"room":1}`), Header: http.Header{"X-Test": {"yes"}},
			Auth: func(context.Context) (json.RawMessage, error) {
				if asked++; asked == 1 {
					return json.RawMessage(`"stale"`), nil
				}
				return json.RawMessage(`"fresh"`), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-principals; got != `"fresh"{"room":1}yes` || asked != 2 {
			t.Errorf("the principal is %s, Auth was called %d times", got, asked)
		}
		sendAndReceive(t, s, "hello")
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestRenew: when the server drains, or restarts and has lost its sessions, a new session replaces
// the old one, and the application learns which messages were delivered.
func TestRenew(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, old *server.Server, n *changing)
		code transport.Code
	}{
		"drain": {func(t *testing.T, old *server.Server, _ *changing) {
			if err := old.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}, transport.CodeDraining},
		"restart": {func(*testing.T, *server.Server, *changing) {}, transport.CodeLost},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := newServer(t, server.Config{})
				n := newNetwork(t, old)
				type renewal struct {
					end   session.End
					fresh *session.Session
				}
				renewals := make(chan renewal, 1)
				var mu sync.Mutex
				var conns []net.Conn
				s, err := client.Dial(t.Context(), n.URL, &client.Options{
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						c, err := n.Dial(ctx, network, addr)
						mu.Lock()
						defer mu.Unlock()
						conns = append(conns, c)
						return c, err
					},
					Transports: []string{transport.WebSocket},
					Renew:      func(e session.End, fresh *session.Session) { renewals <- renewal{e, fresh} },
				})
				if err != nil {
					t.Fatal(err)
				}
				sendAndReceive(t, s, "hello")
				time.Sleep(time.Second)
				c.end(t, old, n)
				synctest.Wait() // the client reads closed before its connections are cut
				n.now.Store(newServer(t, server.Config{}))
				mu.Lock()
				for _, c := range conns {
					_ = c.Close()
				}
				mu.Unlock()
				got := <-renewals
				if got.end.Code != c.code || got.end.Sent != 1 || got.end.Delivered != 1 {
					t.Errorf("the old session ended with %+v", got.end)
				}
				sendAndReceive(t, got.fresh, "again")
				if got.fresh.ID() == s.ID() {
					t.Error("the new session is the old one")
				}
				if err := got.fresh.Close(t.Context()); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute)
				if len(renewals) > 0 {
					t.Error("a session that was closed was renewed")
				}
			})
		})
	}
}

// TestRenewalsSlowDown: a server ends every session at once. The client must not renew in a tight
// loop.
func TestRenewalsSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		n := newNetwork(t, newServer(t, server.Config{OnSession: func(s *session.Session) {
			started.Add(1)
			_ = s.EndWith(transport.CodeContinuity, "no")
		}}))
		_, err := client.Start(n.URL, &client.Options{
			DialContext: n.Dial,
			Renew: func(_ session.End, fresh *session.Session) {
				if started.Load() > 40 {
					_ = fresh.EndWith(transport.CodeDone, "")
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for started.Load() <= 40 && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		if took := time.Since(start); started.Load() < 40 || took < 3*time.Minute {
			t.Errorf("%d sessions in %v", started.Load(), took)
		}
	})
}

// TestNothingIsLeft: the session closes its own HTTP client when it ends, over a real network too.
// TestMain finds the goroutines that it would leave.
func TestNothingIsLeft(t *testing.T) {
	web := httptest.NewServer(newServer(t, server.Config{}))
	defer web.Close()
	for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
		s, err := client.Dial(t.Context(), web.URL, &client.Options{Transports: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		sendAndReceive(t, s, "hello")
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Receive(t.Context()); !endsWith(transport.CodeDone)(err) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// TestOverTLS: WebSockets use TLS over HTTP/1.1, the other transports HTTP/2.
func TestOverTLS(t *testing.T) {
	var protocols sync.Map
	srv := newServer(t, server.Config{})
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols.Store(r.Proto, true)
		srv.ServeHTTP(w, r)
	}))
	web.EnableHTTP2 = true
	web.StartTLS()
	defer web.Close()
	for name, proto := range map[string]string{
		transport.WebSocket: "HTTP/1.1", transport.SSE: "HTTP/2.0", transport.LongPoll: "HTTP/2.0",
	} {
		protocols.Clear()
		s, err := client.Dial(t.Context(), "wss"+strings.TrimPrefix(web.URL, "https"), &client.Options{
			Transports:      []string{name},
			TLSClientConfig: web.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			sendAndReceive(t, s, "hello")
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, ok := protocols.Load(proto); !ok {
			t.Errorf("%s did not use %s", name, proto)
		}
	}
}
