package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

// TestMemory: WebSockets are refused, and the first session finds that out. The next session, in a
// program that was restarted, starts with the stream that worked (HF1-LIV-19).
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, server.Config{})
		n := transporttest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				http.Error(w, "no", http.StatusForbidden)
				return
			}
			srv.ServeHTTP(w, r)
		}))
		t.Cleanup(n.Close)
		// firstAttach is the transport that a session tries first.
		firstAttach := func(memory *client.Memory) string {
			first, validated := make(chan string, 1), make(chan struct{})
			s, err := client.Dial(t.Context(), n.URL, &client.Options{
				DialContext: n.Dial, Memory: memory,
				Trace: func(step session.Trace) {
					switch {
					case step.What == "attach" && len(first) == 0:
						first <- step.Transport
					case step.What == "validated":
						close(validated)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			<-validated
			synctest.Wait()
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			return <-first
		}
		var memory client.Memory
		if got := firstAttach(&memory); got != transport.WebSocket {
			t.Errorf("without a memory, %s is tried first", got)
		}
		text, err := memory.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again client.Memory
		if err := again.UnmarshalText(text); err != nil {
			t.Fatal(err)
		}
		if got := firstAttach(&again); got != transport.SSE {
			t.Errorf("with the memory %s, %s is tried first", text, got)
		}
	})
}

func TestMemoryText(t *testing.T) {
	var m client.Memory
	if err := m.UnmarshalText([]byte("{")); err == nil {
		t.Error("a text that is no memory was accepted")
	}
	if text, err := m.MarshalText(); err != nil || string(text) != "[]" {
		t.Errorf("an empty memory is written as %s, %v; want []", text, err)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf(`{"endpoint":"http://e%d/","learned":null}`, i))
	}
	if err := m.UnmarshalText([]byte("[" + strings.Join(many, ",") + "]")); err != nil {
		t.Fatal(err)
	}
	text, _ := m.MarshalText()
	if strings.Count(string(text), "endpoint") != 64 || !strings.Contains(string(text), "//e99/") { // I6
		t.Errorf("the memory has %s, want the last 64 endpoints", text)
	}
}
