package cases

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

func httpCases() suite.Set {
	one := func(id, says, check string, limit time.Duration, run func(*suite.T, *server.Target)) suite.Case {
		return suite.Case{
			ID: id, Requirements: []string{check}, Sentence: says, Profile: suite.Poll, Role: suite.Server,
			Limit: limit,
			Run:   func(t *suite.T) { run(t, t.Target.(*server.Target)) },
		}
	}
	return suite.Set{
		one("http/headers", "Every answer, errors included, has no-store, nosniff and no-referrer; bodies "+
			"no-transform too.", "HF1-HTTP-05", 0, httpHeaders),
		one("http/content-type", "Every protocol outcome is answered with status 200 and text/plain.", "HF1-HTTP-03",
			0, httpContentType),
		one("http/splits", "Any split of the body's bytes is accepted.", "HF1-HTTP-07", 0, httpSplits),
		one("http/stalled-body", "A body that does not come is given up, in bounded time.", "HF1-HTTP-07",
			40*time.Second, httpStalledBody),
		one("http/slow-body", "A body that comes too slowly is given up, in bounded time.", "HF1-HTTP-07",
			40*time.Second, httpSlowBody),
	}
}

func httpHeaders(t *suite.T, g *server.Target) {
	for what, r := range map[string]*server.Reply{
		"a refusal":      g.Post(t.Context(), wire.WrapBody("up", "nonce-nonce-nonce", "@1 0\n!up {}\n"), nil),
		"garbage":        g.Post(t.Context(), "hello", nil),
		"GET":            g.Request(t.Context(), http.MethodGet, "", "", nil),
		"PUT":            g.Request(t.Context(), http.MethodPut, "", "x", nil),
		"the Origin":     g.Post(t.Context(), "hello", http.Header{"Origin": {"null"}}),
		"Content-Type":   g.Post(t.Context(), "hello", http.Header{"Content-Type": {"application/json"}}),
		"unknown ticket": g.Request(t.Context(), http.MethodGet, "?ticket=unknown", "", nil),
	} {
		t.Logf("%s: status %d, %v", what, r.Status, r.Header)
		if r.Err != nil {
			t.Fatalf("%s: %v", what, r.Err)
		}
		blame(t, server.CheckAnyHeaders(r.Header))
	}
}

// startPost writes the head of a POST on a connection of its own.
func startPost(t *suite.T, g *server.Target, length string) io.ReadWriteCloser {
	c, err := g.Dial(t.Context())
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(35 * time.Second))
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nConnection: close\r\n%s\r\n\r\n",
		g.Endpoint.RequestURI(), g.Endpoint.Host, length)
	return c
}

func httpSplits(t *suite.T, g *server.Target) {
	s := server.NewSession(t)
	batch := "@1 0\n" + s.OpenLine(server.Open{Meta: server.App("echo")}) + "té€\U0001F600\r\n"
	body := "\ufeff" + wire.WrapBody("open", "nonce-nonce-nonce", batch)
	for head, form := range map[string]string{ // a server may require a length with 411
		fmt.Sprintf("Content-Length: %d", len(body)): "%s", "Transfer-Encoding: chunked": "1\r\n%s\r\n",
	} {
		c := startPost(t, g, head)
		for i := range len(body) {
			fmt.Fprintf(c, form, body[i:i+1])
			if i%40 == 0 {
				t.Sleep(time.Millisecond)
			}
		}
		if form != "%s" {
			fmt.Fprint(c, "0\r\n\r\n")
		}
		answer := make([]byte, 12)
		_, err := io.ReadFull(c, answer)
		status := string(answer[9:])
		if err != nil || status != "200" && (status != "411" || form == "%s") {
			t.Fatalf("an open whose bytes came one by one, %s, was answered %q, %v", head, answer, err)
		}
	}
	s.SetUp(1)
	s.Open(suite.Poll, server.Open{U: number(2), NoRun: true})
	s.Expect("té€\U0001F600")
}

func httpSlow(t *suite.T, g *server.Target, pause time.Duration) {
	c := startPost(t, g, "Content-Length: 60000")
	start := time.Now()
	answer := make(chan error, 1)
	go func() {
		b := make([]byte, 12)
		_, err := io.ReadFull(c, b)
		if err == nil && (b[9] != '4' && b[9] != '5') {
			err = fmt.Errorf("status %s", b[9:])
			answer <- err
			return
		}
		answer <- nil
	}()
	fmt.Fprint(c, "holdfast/1 up nonce-nonce-nonce\n@1 0\n")
	for {
		select {
		case err := <-answer:
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("a slow body was answered with %v", err)
			}
			t.Logf("a slow body was given up after %v", time.Since(start))
			return
		case <-time.After(min(pause, 31*time.Second)):
			if time.Since(start) > 30*time.Second {
				t.Fatalf("a body that is not there after 30 s is still waited for")
			}
			fmt.Fprint(c, "x")
		}
	}
}

func httpContentType(t *suite.T, g *server.Target) {
	r := g.Post(t.Context(), wire.WrapBody("up", "nonce-nonce-nonce", "@1 0\n!up {}\n"), nil)
	_, err := r.Body("up", "nonce-nonce-nonce")
	blame(t, err)
}

func httpStalledBody(t *suite.T, g *server.Target) {
	httpSlow(t, g, time.Hour)
}

func httpSlowBody(t *suite.T, g *server.Target) {
	httpSlow(t, g, 300*time.Millisecond)
}
