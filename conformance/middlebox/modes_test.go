package middlebox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUndisturbed(t *testing.T) {
	inLab(t, "", func(l *lab) {
		if status, body, took,
			err := l.post("/echo", "up", "x"); err != nil || status != 200 || took != 0 ||
			body != "holdfast/1 up nonce\nx 1" {
			t.Errorf("%d %q %s %v", status, body, took, err)
		}
		if at, err := l.events("text/event-stream"); err != nil || !slices.Equal(at, []int64{0, 100, 200}) {
			t.Errorf("%v %v", at, err)
		}
		c, in, res, err := l.upgrade("")
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(err)
		}
		defer c.Close()
		if f, err := readFrame(in); err != nil || string(f) != frame("hi") {
			t.Errorf("%q %v", f, err)
		}
		long := frame(strings.Repeat("x", 1000))
		if _, err := io.WriteString(c, long); err != nil {
			t.Fatal(err)
		}
		if f, err := readFrame(in); err != nil || string(f) != long {
			t.Errorf("%s %v", digest(string(f)), err)
		}
	})
}

// TestAnswers checks modes that answer instead of the server, or not at all.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		mode, kind, body string
		status, hits     int
		contains         string
		took             time.Duration
	}{
		{"refuse:503", "up", "x", 503, 0, "", 0},
		{"refuse@poll:503", "up", "x", 200, 1, "x", 0},
		{"captive", "up", "x", 200, 0, "<!doctype html>", 0},
		{"captive:302", "up", "x", 302, 0, "<!doctype html>", 0},
		{"captive:511", "up", "x", 511, 0, "", 0},
		{"limit-head:20", "up", "x", 431, 0, "", 0},
		{"limit-body:30", "up", strings.Repeat("x", 31), 413, 0, "", 0},
		{"limit-body:30", "up", "x", 200, 1, "x", 0},
		{"delay:100ms", "up", "x", 200, 1, "x", 200 * time.Millisecond},
		{"duplicate", "up", "x", 200, 2, "x", 0},
		{"retry", "up", "x", 200, 2, "x 2", 0},
		{"truncate:3", "up", "hello", 200, 1, "hell", 0},
		{"buffer:1MiB", "up", "hello", 200, 1, "hello 1", 0},
		{"http10", "up", "hello", 200, 1, "hello 1", 0},
	} {
		t.Run(c.mode, func(t *testing.T) {
			inLab(t, c.mode, func(l *lab) {
				status, body, took, err := l.post("/echo", c.kind, c.body)
				time.Sleep(time.Second) // until the copies have arrived
				if err != nil || status != c.status || int(l.hits.Load()) != c.hits ||
					!strings.Contains(body, c.contains) || took != c.took {
					t.Errorf("%d %q, %d requests, %s, %v", status, body, l.hits.Load(), took, err)
				}
				if strings.HasPrefix(c.mode, "truncate") && (body != "holdfast/1 up nonce\nhell") {
					t.Errorf("not truncated: %q", body)
				}
			})
		})
	}
}

func TestTimesAndKinds(t *testing.T) {
	inLab(t, "refuse@up+poll#2:503", func(l *lab) {
		var got []int
		for _, kind := range []string{"open", "up", "poll", "up"} {
			status, _, _, err := l.post("/echo", kind, "")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, status)
		}
		if !slices.Equal(got, []int{200, 503, 503, 200}) {
			t.Errorf("%v", got)
		}
	})
}

func TestLateCopy(t *testing.T) {
	inLab(t, "late-copy#1:2s", func(l *lab) {
		if _, body, _, err := l.post("/echo", "up", "x"); err != nil || !strings.HasSuffix(body, "x 1") {
			t.Errorf("%q %v", body, err)
		}
		time.Sleep(1999 * time.Millisecond)
		if n := l.hits.Load(); n != 1 {
			t.Errorf("%d requests before the copy", n)
		}
		time.Sleep(2 * time.Millisecond)
		if n := l.hits.Load(); n != 2 {
			t.Errorf("%d requests with the copy", n)
		}
	})
}

func TestStream(t *testing.T) {
	for _, c := range []struct {
		mode, accept string
		at           []int64
		whole        bool
	}{
		{"buffer@stream", "text/event-stream", []int64{300, 300, 300}, true},
		{"buffer@stream:16", "text/event-stream", []int64{100, 100, 300}, true},
		{"one-behind@stream", "text/event-stream", []int64{100, 200, 300}, true},
		{"sse-accept:20s", "text/event-stream", []int64{0, 100, 200}, true},
		{"sse-accept:20s", "*/*", []int64{20000, 20000, 20000}, true},
		{"life@stream:150ms", "text/event-stream", []int64{0, 100}, false},
		{"kill:50ms", "text/event-stream", []int64{0}, false},
		{"kill:10", "text/event-stream", []int64{0}, false},
		{"end:250ms", "text/event-stream", []int64{0, 100, 200}, false},
		{"idle@stream:90ms", "text/event-stream", []int64{0}, false},
		{"idle@stream:110ms", "text/event-stream", []int64{0, 100, 200}, true},
		{"half-open:down/150ms", "text/event-stream", []int64{0, 100}, false},
		{"delay:1s", "text/event-stream", []int64{2000, 2100, 2200}, true},
	} {
		t.Run(c.mode+" "+c.accept, func(t *testing.T) {
			inLab(t, c.mode, func(l *lab) {
				if at, err := l.events(c.accept); !slices.Equal(at, c.at) || (err == nil) != c.whole {
					t.Errorf("%v %v", at, err)
				}
			})
		})
	}
}

func TestUpgradeRefused(t *testing.T) {
	for mode, want := range map[string]int{
		"refuse-upgrade": 400, "refuse-upgrade:403": 403, "strip-upgrade": 426,
		"captive@ws": 200, "strip:Upgrade": 426,
	} {
		t.Run(mode, func(t *testing.T) {
			inLab(t, mode, func(l *lab) {
				c, _, res, err := l.upgrade("")
				if err != nil || res.StatusCode != want {
					t.Errorf("%v %v", res, err)
				}
				_ = c.Close()
			})
		})
	}
}

// TestSocket checks what happens to a WebSocket whose client sends "one" at once and "two" after a
// second.
func TestSocket(t *testing.T) {
	for _, c := range []struct {
		mode, glued string
		frames      string
	}{
		{"", "", "hi@0 one@1 two@1001 timeout@60000"},
		{"", "glued", "hi@0 glued@0 one@1 two@1001 timeout@60000"},
		{"swallow-glued", "glued", "hi@0 one@1 two@1001 timeout@60000"},
		{"swallow", "", "one@1 two@1001 timeout@60000"},
		{"swallow:2", "", "two@1001 timeout@60000"},
		{"one-behind", "", "hi@1 one@1001 timeout@60000"},
		{"mute", "", "timeout@60000"},
		{"kill-ws:200ms", "", "hi@0 one@1 cut@200"},
		{"kill-ws:6", "", "hi@0 cut@1"},
		{"life:500ms", "", "hi@0 one@1 cut@500"},
		{"idle:900ms", "", "hi@0 one@1 cut@901"},
		{"idle:2s", "", "hi@0 one@1 two@1001 cut@3001"},
		{"half-open:up/500ms", "", "hi@0 one@1 timeout@60000"},
		{"half-open:down/500ms", "", "hi@0 one@1 timeout@60000"},
		{"freeze:both/500ms", "", "hi@0 one@1 timeout@60000"},
		{"limit-frame:2", "", "hi@0 close@1 cut@1"},
		{"delay:100ms", "", "hi@200 one@301 two@1301 timeout@60000"},
		{"connections:1", "", "hi@0 one@1 two@1001 timeout@60000"},
		{"tcp", "glued", "hi@0 glued@0 one@1 two@1001 timeout@60000"},
	} {
		t.Run(c.mode+" "+c.glued, func(t *testing.T) {
			inLab(t, c.mode, func(l *lab) {
				if got := l.talk(c.glued); got != c.frames {
					t.Errorf("\n got %s\nwant %s", got, c.frames)
				}
			})
		})
	}
}

func (l *lab) talk(glued string) string {
	start := time.Now()
	if glued != "" {
		glued = frame(glued)
	}
	c, in, res, err := l.upgrade(glued)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Sprint(res, err)
	}
	defer c.Close()
	go func() {
		time.Sleep(time.Millisecond)
		_, _ = io.WriteString(c, frame("one"))
		time.Sleep(time.Second)
		_, _ = io.WriteString(c, frame("two"))
	}()
	var got []string
	for {
		f, err := readFrame(in)
		what := ""
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			what = "timeout"
		case err != nil:
			what = "cut"
		case f[0] == 0x88:
			what = "close"
		default:
			what = string(f[2:])
		}
		got = append(got, fmt.Sprintf("%s@%d", what, time.Since(start).Milliseconds()))
		if err != nil {
			return strings.Join(got, " ")
		}
	}
}

func TestBlackHole(t *testing.T) {
	inLab(t, "black-hole", func(l *lab) {
		l.client.Timeout = time.Hour
		if _, _, took, err := l.post("/echo", "up", "x"); err == nil || took != time.Hour || l.hits.Load() != 0 {
			t.Errorf("%s %v", took, err)
		}
	})
}

func TestGatewayTimeout(t *testing.T) {
	inLab(t, "gateway-timeout:3s", func(l *lab) {
		if status, _, took, err := l.post("/hang", "poll", ""); err != nil || status != http.StatusGatewayTimeout ||
			took != 3*time.Second {
			t.Errorf("%d %s %v", status, took, err)
		}
		if status, _, _, err := l.post("/echo", "poll", ""); err != nil || status != 200 {
			t.Errorf("the connection serves no more: %d %v", status, err)
		}
	})
}

func TestClientGone(t *testing.T) {
	inLab(t, "", func(l *lab) {
		l.client.Timeout = time.Second
		_, _, _, _ = l.post("/hang", "poll", "")
		time.Sleep(time.Millisecond)
		l.box.mu.Lock()
		defer l.box.mu.Unlock()
		if l.box.serving != 0 {
			t.Errorf("%d connections are still served", l.box.serving)
		}
	})
}

func TestCache(t *testing.T) {
	inLab(t, "cache", func(l *lab) {
		_, first, _, _ := l.post("/echo", "poll", "a")
		_, second, _, err := l.post("/echo", "poll", "b")
		_, other, _, _ := l.post("/echo", "up", "c")
		if err != nil || first != second || l.hits.Load() != 2 || !strings.Contains(other, "c") {
			t.Errorf("%q %q %q %v", first, second, other, err)
		}
	})
}

func TestCoalesce(t *testing.T) {
	inLab(t, "coalesce", func(l *lab) {
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if status, _, took,
					err := l.post("/hang", "poll", ""); err != nil || status != 200 || took != 10*time.Second {
					t.Errorf("%d %s %v", status, took, err)
				}
			})
		}
		all.Wait()
		if l.hits.Load() != 1 {
			t.Errorf("%d requests", l.hits.Load())
		}
		if _, _, _, err := l.post("/hang", "poll", ""); err != nil || l.hits.Load() != 2 {
			t.Errorf("the next one: %d requests, %v", l.hits.Load(), err)
		}
	})
}

func TestReorder(t *testing.T) {
	inLab(t, "reorder:200ms", func(l *lab) {
		order := make(chan string, 2)
		go func() {
			_, _, _, _ = l.post("/echo", "up", "first")
			order <- "first"
		}()
		time.Sleep(time.Millisecond)
		_, _, _, _ = l.post("/echo", "up", "second")
		order <- "second"
		if got := <-order + " " + <-order; got != "second first" {
			t.Error(got)
		}
		if _, _, took, err := l.post("/echo", "up", "alone"); err != nil || took != 200*time.Millisecond {
			t.Errorf("alone: %s %v", took, err)
		}
	})
}

func TestConnections(t *testing.T) {
	inLab(t, "connections:2", func(l *lab) {
		l.client.Transport.(*http.Transport).DisableKeepAlives = true
		for range 2 {
			go func() { _, _, _, _ = l.post("/hang", "poll", "") }()
		}
		time.Sleep(time.Millisecond)
		if _, _, took, err := l.post("/echo", "up", ""); err != nil || took < 9*time.Second || took > 100*time.Second {
			t.Errorf("%s %v", took, err)
		}
	})
}

func TestHeaders(t *testing.T) {
	inLab(t, "strip:X-Mine,add:X-Yours=2,strip-reply:X-Count,add-reply:X-More=3,rewrite-host", func(l *lab) {
		req, _ := http.NewRequestWithContext(l.Context(), http.MethodGet, "http://box.test/echo", http.NoBody)
		req.Header.Set("X-Mine", "1")
		res, err := l.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		seen := l.seen.Load()
		if seen.Header.Get("X-Mine") != "" || seen.Header.Get("X-Yours") != "2" || res.Header.Get("X-Count") != "" ||
			res.Header.Get("X-More") != "3" {
			t.Errorf("%v %v", seen.Header, res.Header)
		}
		if seen.Host != "server.test" {
			t.Errorf("Host %q", seen.Host)
		}
	})
}

func TestHTTP10(t *testing.T) {
	inLab(t, "http10", func(l *lab) {
		res, err := l.client.Get("http://box.test/stream")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || res.Proto != "HTTP/1.0" ||
			l.seen.Load().Proto != "HTTP/1.0" || len(body) != 24 {
			t.Errorf("%s, %s, %q %v", res.Proto, l.seen.Load().Proto, body, err)
		}
	})
}
