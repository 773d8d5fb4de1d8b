package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// journal is a log for many goroutines.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// TestLogTellsNoSecret: the log has ids of sessions, but no keys, runs, tickets, credentials or
// payloads (HF1-WHO-12).
func TestLogTellsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		h := open(t, server.Config{
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Authenticate: func(_ context.Context, h *session.Handshake) (string, error) {
				if string(h.Auth) == `"token-bad"` {
					return "", errors.New("expired")
				}
				return "anna", nil
			},
			OnSession: func(s *session.Session) { _, _ = s.Send(context.Background(), session.Text("payload-down")) },
		})
		auth := strings.Replace(openLine(1), `"att"`, `"auth":"token-good","meta":"meta-data","att"`, 1)
		a := h.post(t, "open", auth+"\ntpayload-up", nil)
		run, id := a.field("run"), a.field("id")
		up := fmt.Sprintf(`!up {"key":%q,"run":%q,"att":1}`, keyA, run)
		ticket := h.post(t, "up", up+"\n"+`!ticket {"att":5,"u":1,"recv":0}`, nil).field("ticket")
		h.stream(t, "?ticket="+ticket, nil)
		h.stream(t, "?ticket="+ticket, nil)
		h.post(t, "open", strings.Replace(auth, "token-good", "token-bad", 1), nil)
		h.post(t, "up", strings.Replace(up, run, "0123456789abcdef", 1), nil)
		h.post(t, "up", up+"\nxgarbled", header("Origin", "https://evil.example"))
		h.post(t, "up", up, header("Origin", "https://evil.example"))
		time.Sleep(5 * time.Minute)
		text := log.text()
		for _, secret := range []string{keyA, run, ticket, "payload", "token-", "meta-data", "challenge"} {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("the log tells %q:\n%s", secret, text)
			}
		}
		for _, want := range []string{
			"session=" + id, "msg=\"session ended\"", "reason=unknown",
			"authentication refused", "expired",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the log lacks %q:\n%s", want, text)
			}
		}
		if n := strings.Count(text, "add https://evil.example to Origins"); n != 1 {
			t.Errorf("the setting that lets an Origin in was told %d times:\n%s", n, text)
		}
	})
}

// TestMetrics: the metrics show what happens, and a Registerer can be used again after the
// shutdown.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		h := open(t, server.Config{OnSession: echoBack, Registerer: registry})
		var wires wires
		var offline atomic.Bool
		dial := wires.through(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if offline.Load() {
				return nil, errors.New("no network")
			}
			return h.net.Dial(ctx, network, addr)
		})
		s := h.dial(t, dial, transport.WebSocket)
		exchange(t, s, 10, 0)
		offline.Store(true)
		wires.cut()
		time.Sleep(time.Second) // the server notices that it has no attachment
		offline.Store(false)
		exchange(t, s, 10, 0)
		time.Sleep(15 * time.Second)
		h.post(t, "up", `!up {"key":"`+keyA+`","run":"0123456789abcdef","att":1}`, nil)
		text := scrape(h.Server)
		for _, want := range []string{
			`holdfast_sessions{state="attached",transport="websocket"} 1`,
			`holdfast_attaches_total{outcome="new",transport="websocket"} 1`,
			`holdfast_attaches_total{outcome="resumed",transport="websocket"} 1`,
			`holdfast_attaches_total{outcome="refused",transport="longpoll"} 1`,
			`holdfast_refusals_total{reason="unknown"} 1`,
			`holdfast_messages_total{direction="up"} 20`,
			`holdfast_messages_total{direction="down"} 20`,
			`holdfast_resumes_total 1`,
			`holdfast_retained_bytes 0`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("lacks %s", want)
			}
		}
		if strings.Contains(text, `holdfast_rtt_seconds_count{transport="websocket"} 0`) {
			t.Error("no round trip was measured")
		}
		if t.Failed() {
			t.Log(text)
		}
		finish(t, s)
		if _, err := server.New(server.Config{Registerer: registry}); err == nil {
			t.Error("two servers on one registry")
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := server.New(server.Config{Registerer: registry}); err != nil {
			t.Errorf("after the shutdown: %v", err)
		}
	})
}

func scrape(s *server.Server) string {
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}
