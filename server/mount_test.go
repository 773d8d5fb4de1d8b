package server_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/labstack/echo/v4"

	"github.com/holdfast-rt/holdfast/clientjs"
	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

// TestMounts: the Server works under any path of net/http, of Echo and of an Echo group, over every
// transport.
func TestMounts(t *testing.T) {
	mounts := map[string]struct {
		path  string
		mount func(s *server.Server) http.Handler
	}{
		"root": {"/", func(s *server.Server) http.Handler { return s }},
		"ServeMux": {"/holdfast", func(s *server.Server) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/holdfast", s)
			mux.Handle("/holdfast/", s)
			return mux
		}},
		"StripPrefix": {"/api/v1.2/", func(s *server.Server) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/api/v1.2/", http.StripPrefix("/api/v1.2", s))
			return mux
		}},
		"Echo": {"/live", func(s *server.Server) http.Handler {
			e := echo.New()
			e.Any("/live", echo.WrapHandler(s))
			e.Any("/live/*", echo.WrapHandler(s))
			return e
		}},
		"Group": {"/api/live", func(s *server.Server) http.Handler {
			e := echo.New()
			g := e.Group("/api", func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error { c.Response().Header().Set("X-Middleware", "ran"); return next(c) }
			})
			g.Any("/live", echo.WrapHandler(s))
			g.Any("/live/*", echo.WrapHandler(s))
			return e
		}},
	}
	for name, m := range mounts {
		for _, transport := range all {
			t.Run(name+"/"+transport, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, err := server.New(server.Config{OnSession: echoBack, Logger: slog.New(slog.DiscardHandler)})
					if err != nil {
						t.Fatal(err)
					}
					h := &harness{Server: s, net: transporttest.NewServer(m.mount(s))}
					h.web = h.net.Client()
					defer h.close(t)
					x, err := client.Dial(t.Context(), "http://holdfast.test"+m.path,
						&client.Options{HTTPClient: h.web, DialContext: h.net.Dial, Transports: []string{transport}})
					if err != nil {
						t.Fatal(err)
					}
					exchange(t, x, 20, 0)
					finish(t, x)
					bundles(t, h, m.path)
				})
			})
		}
	}
}

// bundles fetches the browser client from the paths next to the endpoint.
func bundles(t *testing.T, h *harness, path string) {
	t.Helper()
	for file, want := range map[string]string{
		"holdfast.js":  string(clientjs.Script),
		"holdfast.mjs": string(clientjs.Module),
	} {
		r, err := h.web.Get("http://holdfast.test" + strings.TrimSuffix(path, "/") + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, r); got != want || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: %d, %d bytes of %s", file, r.StatusCode, len(got), r.Header.Get("Content-Type"))
		}
	}
}
