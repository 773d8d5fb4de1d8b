package doctor_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
)

// hijacking lets a network change the connection of a WebSocket.
type hijacking struct {
	http.ResponseWriter
	wrap func(net.Conn) net.Conn
}

func (h *hijacking) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return h.wrap(c), rw, nil
}

func isSocket(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// sockets lets a network change the connections of WebSockets.
func sockets(wrap func(net.Conn) net.Conn) network {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isSocket(r) {
				w = &hijacking{w, wrap}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// handshakes answers WebSocket handshakes in place of the server.
func handshakes(f func(next http.Handler, w http.ResponseWriter, r *http.Request)) network {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isSocket(r) {
				f(next, w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// line is a connection that passes only some bytes. The first write is the answer to the handshake.
type line struct {
	net.Conn
	started     time.Time
	reads       int
	writes      int
	read, write func(l *line, p []byte) bool // whether these bytes pass
}

func (l *line) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		l.reads++
		if err != nil || l.read == nil || l.read(l, p[:n]) {
			return n, err
		}
	}
}

func (l *line) Write(p []byte) (int, error) {
	l.writes++
	if l.write != nil && !l.write(l, p) {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func TestSockets(t *testing.T) {
	passing := func(read, write func(l *line, p []byte) bool) network {
		return sockets(func(c net.Conn) net.Conn {
			return &line{Conn: c, started: time.Now(), read: read, write: write}
		})
	}
	for name, c := range map[string]struct {
		n        network
		state    string
		id, says string
	}{
		"refused": {
			handshakes(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Server", "gatekeeper/1.0")
				http.Error(w, "<title>Blocked by policy</title>", http.StatusForbidden)
			}), "fails", "ws-refused",
			"status 403 Forbidden, Server: gatekeeper/1.0, page with the title “Blocked by policy”",
		},
		"Upgrade is stripped": {handshakes(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
			next.ServeHTTP(w, r)
		}), "fails", "ws-refused", "status 426"},
		"black hole": {handshakes(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}), "fails", "ws-blackholed", "within 5000 ms"},
		"reset": {
			handshakes(func(http.Handler, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			"fails", "ws-refused", "broke during the handshake",
		},
		"swallows all": {
			passing(nil, func(l *line, _ []byte) bool { return l.writes == 1 }), "fails",
			"ws-swallowed", "no frame within 5000 ms",
		},
		"swallows what follows": {
			passing(nil, func(l *line, _ []byte) bool { return l.writes <= 2 }), "fails",
			"ws-swallowed", "none to a ping",
		},
		"loses the server's first frame": {
			passing(nil, func(l *line, _ []byte) bool { return l.writes != 2 }),
			"fails", "ws-first-frame", "the answer to the second frame came",
		},
		"loses the client's first frame": {
			passing(func(l *line, _ []byte) bool { return l.reads != 1 }, nil),
			"fails", "ws-first-frame", "refused malformed",
		},
		"kills at 200 ms": {sockets(func(c net.Conn) net.Conn {
			time.AfterFunc(200*time.Millisecond, func() { _ = c.Close() })
			return c
		}), "fails", "ws-killed", "cut 200 ms after the handshake"},
		"kills before the first word": {sockets(func(c net.Conn) net.Conn {
			return &line{Conn: c, write: func(l *line, _ []byte) bool {
				if l.writes == 2 {
					_ = c.Close()
				}
				return true
			}}
		}), "fails", "ws-killed", "before the server's first word"},
		"falls silent": {
			passing(nil, func(l *line, _ []byte) bool { return time.Since(l.started) < 3*time.Second }),
			"fails", "ws-silent", "no answer to a ping",
		},
		"one behind": {
			sockets(func(c net.Conn) net.Conn {
				var kept []byte
				return &line{Conn: c, write: func(l *line, p []byte) bool {
					if l.writes == 1 {
						return true
					}
					_, _ = c.Write(kept)
					kept = bytes.Clone(p)
					return false
				}}
			}), "fails", "ws-one-behind", "came when a second was sent",
		},
		"cuts frames above 16 KiB": {
			passing(func(l *line, p []byte) bool {
				l.reads += len(p) - 1 // bytes, not reads
				if l.reads > 17<<10 {
					_ = l.Conn.Close()
				}
				return true
			}, func(l *line, _ []byte) bool { l.reads = 0; return true }), "impaired", "size-cap",
			"a frame of 32768 bytes ended the socket",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, server.Config{}, c.n).diagnose(t, doctor.Options{})
				check(t, r, doctor.Degraded, c.state+" fits fits", map[string]string{c.id: c.says})
			})
		})
	}
}

// savedAnswer is an answer of the server, stored.
type savedAnswer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (c *savedAnswer) Header() http.Header              { return c.header }
func (c *savedAnswer) WriteHeader(status int)           { c.status = status }
func (c *savedAnswer) Write(p []byte) (int, error)      { return c.body.Write(p) }
func (c *savedAnswer) SetReadDeadline(time.Time) error  { return nil }
func (c *savedAnswer) SetWriteDeadline(time.Time) error { return nil }
func (c *savedAnswer) FlushError() error                { return nil }

// again sends the stored answer.
func (c *savedAnswer) again(w http.ResponseWriter) {
	for k, v := range c.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(c.body.Len()))
	w.WriteHeader(c.status)
	_, _ = w.Write(c.body.Bytes())
}

// posts lets a network change the whole answers to POSTs that are not for streams; kind is the kind
// of the request.
func posts(f func(kind string, w http.ResponseWriter, ask func() *savedAnswer)) network {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isSocket(r) || r.Header.Get("Accept") == "text/event-stream" {
				next.ServeHTTP(w, r)
				return
			}
			body, _ := io.ReadAll(r.Body)
			f(strings.Fields(string(body))[1], w, func() *savedAnswer {
				c := &savedAnswer{header: http.Header{}, status: http.StatusOK}
				again := r.Clone(r.Context())
				again.Body = io.NopCloser(bytes.NewReader(body))
				next.ServeHTTP(c, again)
				return c
			})
		})
	}
}

func TestRequests(t *testing.T) {
	var kept *savedAnswer
	var mu sync.Mutex
	var together chan *savedAnswer
	for name, c := range map[string]struct {
		n      network
		states string
		want   map[string]string
	}{
		"polls are cut": {posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
			answer := make(chan *savedAnswer, 1)
			go func() { answer <- ask() }()
			select {
			case a := <-answer:
				a.again(w)
			case <-time.After(3 * time.Second):
				http.Error(w, "upstream timed out", http.StatusGatewayTimeout)
			}
		}), "fits fits impaired", map[string]string{"poll-cut": "after 6000 ms ended after 3000 ms: status 504"}},
		"polls vanish": {posts(func(kind string, w http.ResponseWriter, ask func() *savedAnswer) {
			if kind == "poll" {
				time.Sleep(30 * time.Second)
				return
			}
			ask().again(w)
		}), "fits fits impaired", map[string]string{"poll-cut": "no answer to a request of kind poll"}},
		"polls come late": {posts(func(kind string, w http.ResponseWriter, ask func() *savedAnswer) {
			a := ask()
			if kind == "poll" {
				time.Sleep(2 * time.Second)
			}
			a.again(w)
		}), "fits fits impaired", map[string]string{"poll-late": "was answered after 8000 ms"}},
		"a cache": {posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
			a := ask()
			mu.Lock()
			if kept == nil {
				kept = a
			}
			a = kept
			mu.Unlock()
			a.again(w)
		}), "fits fails fails", map[string]string{"reply-reused": "got the answer to another request (of kind open)"}},
		"a cache for polls": {posts(func(kind string, w http.ResponseWriter, ask func() *savedAnswer) {
			if kind != "poll" {
				ask().again(w)
				return
			}
			a := ask()
			mu.Lock()
			if kept == nil {
				kept = a
			}
			a = kept
			mu.Unlock()
			a.again(w)
		}), "fits fits fails", map[string]string{"reply-reused": "(of kind poll)"}},
		"requests put together": {posts(func(kind string, w http.ResponseWriter, ask func() *savedAnswer) {
			if kind != "poll" {
				ask().again(w)
				return
			}
			mu.Lock()
			mine := together == nil
			if mine {
				together = make(chan *savedAnswer)
			}
			all := together
			mu.Unlock()
			if !mine {
				(<-all).again(w)
				return
			}
			a := ask()
			mu.Lock()
			together = nil
			mu.Unlock()
			for {
				select {
				case all <- a: // other requests at that time get the same answer
					continue
				case <-time.After(time.Millisecond):
				}
				break
			}
			a.again(w)
		}), "fits fits fails", map[string]string{"reply-reused": "asked for poll, got the answer to another request"}},
		"cut short": {posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
			a := ask()
			a.body.Truncate(a.body.Len() - 3)
			a.again(w)
		}), "fits fails fails", map[string]string{"reply-truncated": "without its end line"}},
		"rewritten": {posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
			a := ask()
			b := bytes.ReplaceAll(a.body.Bytes(), []byte("!pong"), []byte("<b>pong</b>"))
			a.body = *bytes.NewBuffer(b)
			a.again(w)
		}), "fits fits fails", map[string]string{"reply-altered": "cannot be read"}},
		"compressed": {
			posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
				a := ask()
				var packed bytes.Buffer
				z := gzip.NewWriter(&packed)
				_, _ = z.Write(a.body.Bytes())
				_ = z.Close()
				a.body = packed
				a.header.Set("Content-Encoding", "gzip")
				a.again(w)
			}), "fits fails fails",
			map[string]string{"transformed": "Content-Encoding: gzip", "reply-altered": "compressed"},
		},
		"bodies above 16 KiB refused": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 17<<10 {
					http.Error(w, "too much", http.StatusRequestEntityTooLarge)
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "fits fits impaired", map[string]string{"size-cap": "a request of 32768 bytes: status 413"}},
		"up-sends refused": {posts(func(kind string, w http.ResponseWriter, ask func() *savedAnswer) {
			if kind == "up" {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			ask().again(w)
		}), "fits fails fails", map[string]string{"post-refused": "status 503 Service Unavailable, “no”"}},
		"repeated": {posts(func(kind string, w http.ResponseWriter, ask func() *savedAnswer) {
			if kind == "up" {
				_ = ask()
			}
			ask().again(w)
		}), "fits fits fits", map[string]string{"request-repeated": "twice"}},
		"a relay": {
			func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Via", "1.1 cache.example (squid)")
					w.Header().Set("X-Forwarded-For", "192.0.2.7")
					next.ServeHTTP(w, r)
				})
			}, "fits fits fits",
			map[string]string{"intermediary": "Via: 1.1 cache.example (squid)\nX-Forwarded-For: 192.0.2.7"},
		},
		"headers stripped": {posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
			a := ask()
			a.header.Set("Cache-Control", "public")
			a.header.Set("Content-Type", "text/html")
			a.again(w)
		}), "fits fits fits", map[string]string{"headers-stripped": "Cache-Control: no-store is missing"}},
		"another time": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
				next.ServeHTTP(w, r)
			})
		}, "fits fits fits", map[string]string{"clock-skew": "2h0m0s behind"}},
		"HTTP/1.0": {posts(func(_ string, w http.ResponseWriter, ask func() *savedAnswer) {
			a := ask()
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n")
			_ = a.header.Write(c)
			_, _ = io.WriteString(c, "\r\n"+a.body.String())
			_ = c.Close()
		}), "fits fits fits", map[string]string{"http10": "HTTP/1.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept = nil
				r := open(t, server.Config{}, c.n).diagnose(t, doctor.Options{})
				verdict := doctor.Degraded
				if c.states == "fits fits fits" {
					verdict = doctor.Good
				}
				check(t, r, verdict, c.states, c.want)
			})
		})
	}
}

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
