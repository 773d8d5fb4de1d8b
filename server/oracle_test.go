package server_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
)

// TestNoLoginOracle: a page of another site hears the same whether its visitor is logged in or not,
// and the application is not even asked. That holds too for a session that the page's owner made
// under its Origin, from a program.
func TestNoLoginOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		authenticate := func(_ context.Context, h *session.Handshake) (string, error) {
			asked.Add(1)
			if c, err := (&http.Request{Header: h.Header}).Cookie("user"); err == nil {
				return c.Value, nil
			}
			return "", errors.New("not logged in")
		}
		h := open(t, server.Config{OnSession: echoBack, Authenticate: authenticate})
		from := func(cookie string) func(*http.Request) {
			return func(r *http.Request) {
				r.Header.Set("Origin", "https://evil.example")
				if cookie != "" {
					r.Header.Set("Cookie", "user="+cookie)
				}
			}
		}
		in, out := h.post(t, "open", openLine(1), from("alice")), h.post(t, "open", openLine(1), from(""))
		if in.body != out.body || !in.refused("origin") || asked.Load() != 0 {
			t.Errorf("logged in %v\nnot %v\nasked %d", in, out, asked.Load())
		}
		a := h.post(t, "open", openLine(1), func(r *http.Request) {
			r.Host = "evil.example"
			from("mallory")(r)
		})
		if a.status != 200 || a.field("run") == "" {
			t.Fatalf("the program: %v", a)
		}
		for _, line := range []string{openLine(2), `!open {"run":"` + a.field("run") + `",` + openLine(2)[7:]} {
			in, out := h.post(t, "open", line, from("alice")), h.post(t, "open", line, from(""))
			if in.body != out.body || !in.refused("origin") {
				t.Errorf("%s: logged in %v\nnot %v", line, in, out)
			}
		}
	})
}
