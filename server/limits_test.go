package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
)

// TestLimitsOfAnAddress: at its bounds new sessions of an address are refused in band, and new
// connections with 429; other addresses are not refused.
func TestLimitsOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		h := open(t, server.Config{
			OnSession: echoBack, Limits: server.Limits{MaxSessionsPerAddress: 1},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if a := h.post(t, "open", openLine(1), nil); a.status != 200 || a.field("run") == "" {
			t.Fatalf("first: %v", a)
		}
		if a := h.post(t, "open", strings.Replace(openLine(1), keyA, keyB, 1), nil); !a.refused("busy") {
			t.Errorf("second: %v", a)
		}
		if n := strings.Count(log.text(), "TrustedProxies"); n != 1 {
			t.Errorf("the operator was told %d times: %s", n, log.text())
		}
		synctest.Wait() // an address is released after the answer
		var held []*websocket.Conn
		for range 4 {
			held = append(held, h.socket(t, nil))
		}
		if a := h.post(t, "open", openLine(1), nil); a.status != 429 || a.header.Get("Retry-After") == "" {
			t.Errorf("fifth carrier: %v", a)
		}
		for _, ws := range held {
			_ = ws.Close()
		}
		time.Sleep(time.Second)
		if a := h.post(t, "open", openLine(1), nil); a.status != 200 {
			t.Errorf("after they went: %v", a)
		}
		time.Sleep(3 * time.Minute) // the session expires, and another may start
		if a := h.post(t, "open", strings.Replace(openLine(1), keyA, keyB, 1), nil); a.refused("busy") {
			t.Errorf("after the first expired: %v", a)
		}
	})
}

// TestLogNamesTheLimit: the warning names the right setting, for an address that opens too fast and
// for one with too many sessions.
func TestLogNamesTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		h := open(t, server.Config{
			OnSession: echoBack, Limits: server.Limits{NewSessionsPerSecond: 1},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		for i := range 11 { // the burst is ten times as many
			key := fmt.Sprintf("%042dA", i)
			if a := h.post(t, "open", strings.Replace(openLine(1), keyA, key, 1), nil); a.refused("busy") != (i == 10) {
				t.Fatalf("session %d: %v", i, a)
			}
		}
		if text := log.text(); !strings.Contains(text, "NewSessionsPerSecond") ||
			strings.Contains(text, "MaxSessionsPerAddress") {
			t.Errorf("the operator was told: %s", text)
		}
	})
}

// TestProxiesAreNotCounted: behind a trusted proxy each client has its own limit, and
// X-Forwarded-For of others is ignored.
func TestProxiesAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := netip.MustParsePrefix("192.0.2.2/32")
		for name, c := range map[string]struct {
			trusted []netip.Prefix
			busy    bool
		}{"trusted": {[]netip.Prefix{proxy}, false}, "stranger": {nil, true}} {
			h := open(t, server.Config{
				OnSession: echoBack, TrustedProxies: c.trusted, Limits: server.Limits{MaxSessionsPerAddress: 1},
			})
			from := func(addr string) func(*http.Request) { return header("X-Forwarded-For", addr) }
			h.post(t, "open", openLine(1), from("198.51.100.1"))
			if a := h.post(t, "open", strings.Replace(openLine(1), keyA, keyB, 1),
				from("198.51.100.2")); a.refused("busy") != c.busy {
				t.Errorf("%s: %v", name, a)
			}
		}
	})
}

// TestLimitsInAll: at the bound of sessions, and of what they retain, new sessions are refused, and
// Send fails.
func TestLimitsInAll(t *testing.T) {
	for name, limits := range map[string]server.Limits{"sessions": {MaxSessions: 1}, "retained": {MaxRetained: 2000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				peers := make(chan *session.Session, 2)
				var log journal
				h := open(t, server.Config{
					OnSession: func(s *session.Session) { peers <- s }, Limits: limits,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				h.post(t, "open", openLine(1), nil)
				peer := <-peers
				for range 2 {
					if _, err := peer.TrySend(session.Binary(make([]byte, 900))); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := peer.Send(t.Context(), session.Text("one more")); name == "retained" &&
					!errors.Is(err, session.ErrServerFull) {
					t.Errorf("above the bound: %v", err)
				}
				if a := h.post(t, "open", strings.Replace(openLine(1), keyA, keyB, 1), nil); !a.refused("busy") ||
					!strings.Contains(a.body, `"retry":`) {
					t.Errorf("the newcomer: %v", a)
				}
				if text := log.text(); !strings.Contains(text, "/ -max-"+name) || strings.Count(text, "\n") != 1 {
					t.Errorf("the operator was told: %s", text)
				}
				if a := h.post(t, "open", openLine(1), nil); a.refused("busy") {
					t.Errorf("who has a session: %v", a)
				}
				time.Sleep(3 * time.Minute)
				if a := h.post(t, "open", strings.Replace(openLine(1), keyA, keyB, 1), nil); a.refused("busy") {
					t.Errorf("after the first expired: %v", a)
				}
			})
		})
	}
}

// TestGuard: a shortage of descriptors ends idle connections, is logged and counted, and the
// newcomer is served.
func TestGuard(t *testing.T) {
	var log journal
	s, err := server.New(server.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s)
	idle := make(chan struct{}, 1)
	web.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			select {
			case idle <- struct{}{}:
			default:
			}
		}
	}
	gate := &gated{Listener: web.Listener, gate: make(chan struct{})}
	web.Listener = s.Guard(web.Config, gate)
	web.Start()
	defer web.Close()
	get := func(c *http.Client) {
		t.Helper()
		r, err := c.Get(web.URL + "/holdfast.js")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	first, second := &http.Client{Transport: new(http.Transport)}, &http.Client{Transport: new(http.Transport)}
	defer second.CloseIdleConnections()
	get(first)
	<-idle
	close(gate.gate)
	get(second)
	if text := log.text(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "idle_closed=1") ||
		!strings.Contains(text, "ulimit") {
		t.Errorf("the log: %s", text)
	}
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), "holdfast_accept_errors_total 1\n") {
		t.Error("the error was not counted")
	}
}

// gated is a listener that has no descriptor for the second connection, once the gate is open.
type gated struct {
	net.Listener
	gate chan struct{}
	n    int
}

func (l *gated) Accept() (net.Conn, error) {
	l.n++
	if l.n == 2 {
		<-l.gate
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestOpenAboveMaxBatch: at the open the client does not know our limit yet, so the open may be as
// large as the default; later batches may not (HF1-BAT-05).
func TestOpenAboveMaxBatch(t *testing.T) {
	token, _ := json.Marshal(strings.Repeat("t", 3000))
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, server.Config{OnSession: echoBack, Limits: server.Limits{MaxBatch: 2048}})
				s, err := client.Start(h.net.URL, &client.Options{
					HTTPClient: h.web, DialContext: h.net.Dial, Transports: []string{name},
					Auth: func(context.Context) (json.RawMessage, error) { return token, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, s, 20, 0)
				finish(t, s)
			})
		})
	}
}

// TestBatchAboveMaxBatch: after the open the advertised limit applies.
func TestBatchAboveMaxBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, server.Config{OnSession: echoBack, Limits: server.Limits{MaxBatch: 2048}})
		run := h.post(t, "open", openLine(1), nil).field("run")
		line := "\nt" + strings.Repeat("x", 3000)
		if a := h.post(t, "up", fmt.Sprintf(`!up {"key":%q,"run":%q,"att":1}`, keyA, run)+line, nil); a.status != 413 {
			t.Errorf("up: %v", a)
		}
		if a := h.post(t, "poll", fmt.Sprintf(`!poll {"key":%q,"run":%q,"att":1,"p":1,"recv":0}`, keyA, run)+
			line, nil); a.status != 413 {
			t.Errorf("poll: %v", a)
		}
		got, end := conversation(t, h.socket(t, nil),
			"@1 0\n"+strings.Replace(openLine(2), `"att"`, `"run":"`+run+`","att"`, 1)+"\n", "@1 0\n"+line[1:]+"\n")
		if len(got) == 0 || !strings.Contains(got[len(got)-1], `"reason":"malformed"`) {
			t.Errorf("frame: %q, %v", got, end)
		}
	})
}
