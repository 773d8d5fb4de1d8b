package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// TestApplicationPanics: a panic of the application ends one request or WebSocket, but not the
// process, and nothing of it is left.
func TestApplicationPanics(t *testing.T) {
	var log journal
	boom := func(meta []byte, where string) {
		if string(meta) == `"`+where+`"` {
			panic("boom in " + where)
		}
	}
	for _, where := range []string{"OnSession", "Authenticate"} {
		for _, name := range all {
			t.Run(where+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := open(t, server.Config{
						OnSession: func(s *session.Session) { boom(s.Meta(), "OnSession"); echoBack(s) },
						Authenticate: func(_ context.Context, k *session.Handshake) (string, error) {
							boom(k.Meta, "Authenticate")
							return "", nil
						},
						Logger: slog.New(slog.NewTextHandler(&log, nil)),
						// with a limit of 1, a session that is not released is noticed
						Limits: server.Limits{MaxSessionsPerAddress: 1},
					})
					for range 5 {
						h.provoke(t, name, strings.TrimSuffix(openLine(1), "}")+`,"meta":"`+where+`"}`)
					}
					time.Sleep(time.Second)
					for x := range h.Sessions() {
						t.Errorf("session %s is left", x.ID())
					}
					if reported := strings.Contains(log.text(), "boom in "+where) &&
						strings.Contains(log.text(), "panic_test.go"); reported != (name == transport.WebSocket) {
						t.Errorf("the log has %q", log.text())
					}
					s := h.dial(t, nil, name)
					exchange(t, s, 3, 0)
					finish(t, s)
				})
			})
			log.b.Reset()
		}
	}
}

// provoke opens a connection with this line and reads until it ends.
func (h *harness) provoke(t *testing.T, name, line string) {
	t.Helper()
	if name == transport.WebSocket {
		ws := h.socket(t, nil)
		defer ws.Close()
		if err := ws.WriteMessage(websocket.TextMessage, []byte("@1 0\n"+line+"\n")); err != nil {
			t.Fatal(err)
		}
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}
	kind := map[string]transport.Kind{transport.SSE: transport.KindStream, transport.LongPoll: transport.KindOpen}[name]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.net.URL,
		strings.NewReader("holdfast/1 "+string(kind)+" "+nonce+"\n@1 0\n"+line+"\n.\n"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.web.Do(r)
	if err == nil { // the header of the stream was already sent
		_ = resp.Body.Close()
	}
}
