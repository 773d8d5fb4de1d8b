package server_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

// bare is a wrapper that hides everything but the three methods.
type bare struct{ http.ResponseWriter }

// old passes on what wrappers passed on before Go 1.20.
type old struct{ bare }

func (w old) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

func (w old) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.ResponseWriter.(http.Hijacker).Hijack()
}

// unwrapped passes on everything.
type unwrapped struct{ bare }

func (w unwrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestWrappers: middleware whose ResponseWriter can be unwrapped changes nothing. Behind one that
// hides deadlines a transport that needs them answers 500 at once, and answer and log say why; no
// session hangs.
func TestWrappers(t *testing.T) {
	for name, c := range map[string]struct {
		wrap  func(http.ResponseWriter) http.ResponseWriter
		works []string
	}{
		"unwrapped": {func(w http.ResponseWriter) http.ResponseWriter { return unwrapped{bare{w}} }, all},
		"old": {
			func(w http.ResponseWriter) http.ResponseWriter { return old{bare{w}} },
			[]string{transport.WebSocket},
		},
		"bare": {func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log journal
				logger := slog.New(slog.NewTextHandler(&log, nil))
				s, err := server.New(server.Config{OnSession: echoBack, Logger: logger})
				if err != nil {
					t.Fatal(err)
				}
				h := &harness{Server: s, net: transporttest.NewServer(http.HandlerFunc(
					func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(c.wrap(w), r) }))}
				h.web = h.net.Client()
				defer h.close(t)
				for _, name := range c.works {
					x := h.dial(t, nil, name)
					exchange(t, x, 5, 0)
					finish(t, x)
				}
				a := h.post(t, "open", openLine(1), nil)
				told := a.status == 500 && strings.Contains(a.body, "middleware") &&
					strings.Contains(log.text(), "Unwrap")
				if works := len(c.works) == len(all); works == told || works && log.text() != "" {
					t.Errorf("%v; the log: %s", a, log.text())
				}
			})
		})
	}
}

// TestUnixSocket: behind a proxy on a unix socket, which is trusted by name, each visitor has an
// address and its own limits.
func TestUnixSocket(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		admits  int
	}{"trusted": {[]netip.Prefix{{}}, 3}, "not": {nil, 1}} {
		t.Run(name, func(t *testing.T) {
			var log journal
			s, err := server.New(server.Config{
				TrustedProxies: c.trusted, Limits: server.Limits{MaxSessionsPerAddress: 1},
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			var lc net.ListenConfig
			l, err := lc.Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s"))
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewUnstartedServer(s)
			_ = web.Listener.Close()
			web.Listener = s.Guard(web.Config, l)
			web.Start()
			defer web.Close()
			dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
			}
			admitted := 0
			for i := range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				x, err := client.Dial(ctx, "http://app.example/holdfast", &client.Options{
					Transports: []string{transport.WebSocket}, DialContext: dial,
					Header: http.Header{"X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", i+1)}},
				})
				if cancel(); err == nil {
					admitted++
					defer func() { _ = x.Close(t.Context()) }()
				}
			}
			told := strings.Contains(log.text(), `address="unix socket"`)
			if admitted != c.admits || told == (name == "trusted") {
				t.Errorf("%d of 3 admitted; the log: %s", admitted, log.text())
			}
		})
	}
}
