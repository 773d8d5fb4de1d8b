package doctor_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
)

// savedAnswer is a stored answer of the server.
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
