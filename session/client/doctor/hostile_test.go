package doctor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
)

// everything answers all requests in the same way.
func everything(f http.HandlerFunc) network {
	return func(http.Handler) http.Handler { return f }
}

func TestNothingWorks(t *testing.T) {
	page := "<!doctype html><html><title>Guest Wi-Fi: sign in</title>"
	for name, c := range map[string]struct {
		n    network
		cfg  server.Config
		want map[string]string
	}{
		"a page": {n: everything(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, page)
		}), want: map[string]string{"captive-portal": "Guest Wi-Fi: sign in", "ws-refused": "status 200"}},
		"a redirect to a portal": {n: everything(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://portal.example/login?from=hunter2", http.StatusFound)
		}), want: map[string]string{
			"captive-portal": "Location: http://portal.example/login",
			"ws-refused":     "status 302",
		}},
		"511": {
			n: everything(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNetworkAuthenticationRequired)
			}),
			want: map[string]string{"captive-portal": "status 511", "ws-refused": "status 511"},
		},
		"a redirect to https": {n: everything(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://holdfast.test/holdfast", http.StatusMovedPermanently)
		}), want: map[string]string{
			"redirected": "Location: https://holdfast.test/holdfast",
			"ws-refused": "status 301",
		}},
		"another server": {
			n:    everything(http.NotFound),
			want: map[string]string{"not-holdfast": "status 404", "ws-refused": "status 404"},
		},
		"an echo of the URL": {n: everything(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no "+r.URL.String(), http.StatusForbidden)
		}), want: map[string]string{
			"post-refused": "/holdfast?…", "sse-refused": "status 403",
			"ws-refused": "status 403",
		}},
		"an error": {n: everything(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
		}), want: map[string]string{
			"post-refused": "status 502", "sse-refused": "status 502",
			"ws-refused": "status 502",
		}},
		"no answer": {
			n: everything(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}),
			want: map[string]string{"post-blackholed": "no answer", "ws-blackholed": "no answer"},
		},
		"reset": {
			n:    everything(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			want: map[string]string{"post-cut": "EOF after 0 ms", "ws-refused": "broke"},
		},
		"no credentials": {
			cfg: server.Config{Authenticate: func(context.Context, *server.Handshake) (string, error) {
				return "", errors.New("no")
			}},
			want: map[string]string{"server-refuses": "refused auth"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, c.cfg, c.n).diagnose(t, doctor.Options{})
				check(t, r, doctor.Blocked, "fails fails fails", c.want)
			})
		})
	}
}

// A proxy with credentials that refuses CONNECT: WebSockets fail, and the report does not show the
// password.
func TestProxy(t *testing.T) {
	for status, id := range map[int]string{
		http.StatusForbidden:         "proxy-refuses",
		http.StatusProxyAuthRequired: "proxy-auth",
	} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, server.Config{}, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodConnect {
						w.WriteHeader(status)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			r := p.diagnose(t,
				doctor.Options{Proxy: func(*http.Request) (*url.URL, error) {
					return url.Parse("http://me:hunter2@proxy.test:3128")
				}})
			check(t, r, doctor.Degraded, "fails fits fits", map[string]string{
				id:             "the proxy answered CONNECT: " + http.StatusText(status),
				"proxy-in-use": "go to the proxy http://proxy.test:3128",
			})
		})
	}
}

func TestUnreachable(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"refused": {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, "connection refused"},
		"no name": {
			&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "holdfast.test"}},
			"the name has no address",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := doctor.Diagnose(t.Context(), "http://holdfast.test", &doctor.Options{
				DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, c.err },
			})
			if err != nil {
				t.Fatal(err)
			}
			check(t, r, doctor.Blocked, "fails fails fails", map[string]string{"unreachable": c.says})
		})
	}
}
