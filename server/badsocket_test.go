package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
)

// socket opens a WebSocket without our client.
func (h *harness) socket(t *testing.T, header http.Header) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{NetDialContext: h.net.Dial}
	ws, _, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.net.URL, "http"), header)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// conversation sends the frames and returns everything that came back, and how the WebSocket ended.
func conversation(t *testing.T, ws *websocket.Conn, frames ...string) (got []string, end error) {
	t.Helper()
	defer ws.Close()
	for _, f := range frames {
		kind := websocket.TextMessage
		if strings.HasPrefix(f, "binary:") {
			kind, f = websocket.BinaryMessage, strings.TrimPrefix(f, "binary:")
		}
		if err := ws.WriteMessage(kind, []byte(f)); err != nil {
			return got, err
		}
	}
	for {
		_, p, err := ws.ReadMessage()
		if err != nil {
			return got, err
		}
		got = append(got, string(p))
	}
}

// TestBadFrames: a frame that breaks a rule is refused or ends its WebSocket, and does not change
// any session.
func TestBadFrames(t *testing.T) {
	again := func(v *victim) string {
		return "@2 0\n" + strings.Replace(strings.Replace(openLine(2), `"u":2,`, "", 1), `"att"`,
			`"run":"`+v.run+`","att"`, 1) + "\n"
	}
	for _, bad := range []struct {
		name   string
		header http.Header
		frames func(v *victim) []string
		want   string // in the last frame; "" for none
	}{
		{
			"not an open", nil, func(v *victim) []string { return []string{"@1 0\n" + v.up() + "\n"} },
			`"reason":"malformed"`,
		},
		{"no batch", nil, func(*victim) []string { return []string{"hello"} }, `"reason":"malformed"`},
		{
			"foreign Origin",
			http.Header{"Origin": {"https://evil.example"}},
			func(v *victim) []string { return []string{again(v)} }, `"reason":"origin"`,
		},
		{
			"principal",
			http.Header{"Cookie": {"mallory"}},
			func(v *victim) []string { return []string{again(v)} }, `"reason":"unknown"`,
		},
		{
			"garbled later", nil, func(v *victim) []string { return []string{again(v), "@2 0\nxmore\n"} },
			`"reason":"malformed"`,
		},
		{
			"truncated later", nil, func(v *victim) []string { return []string{again(v), "@2 0\ntmore"} },
			`"reason":"malformed"`,
		},
		{
			"ack beyond sent", nil, func(v *victim) []string { return []string{again(v), "@2 9\ntmore\n"} },
			`"reason":"position"`,
		},
		{
			"rewind beyond sent", nil,
			func(v *victim) []string { return []string{again(v), "@2 0\n!rewind {\"recv\":9}\n"} },
			`"reason":"position"`,
		},
		{
			"binary without a head", nil, func(v *victim) []string { return []string{again(v), "binary:\x00\x01"} },
			`"reason":"malformed"`,
		},
		{"not UTF-8", nil, func(v *victim) []string { return []string{again(v), "@2 0\nt\xff\n"} }, ""},
		{
			"oversized", nil,
			func(v *victim) []string { return []string{again(v), "@2 0\nt" + strings.Repeat("x", 70_000) + "\n"} }, "",
		},
		{"gap", nil, func(v *victim) []string { return []string{again(v), "@9 0\ntlate\n"} }, `!rewind {"recv":1}`},
	} {
		t.Run(bad.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVictim(t)
				ws := v.socket(t, bad.header)
				if bad.name == "gap" { // this attachment stays open
					time.AfterFunc(time.Second, func() { _ = ws.Close() })
				}
				got, end := conversation(t, ws, bad.frames(v)...)
				last := ""
				if len(got) > 0 {
					last = got[len(got)-1]
				}
				if !strings.Contains(last, bad.want) || bad.want == "" && strings.Contains(last, "!refused") {
					t.Errorf("got %q, then %v; want %q last", got, end, bad.want)
				}
				v.unharmed(t)
				v.peer.OnMessage(func(session.Message) {})
			})
		})
	}
}

// TestHandshakeHeaders: a 101 answer has the headers of every answer (HF1-HTTP-05).
func TestHandshakeHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, server.Config{})
		d := websocket.Dialer{NetDialContext: h.net.Dial}
		ws, r, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.net.URL, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := r.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

// TestSilentSocket: a WebSocket that sends nothing is closed after the time for the handshake.
func TestSilentSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, server.Config{Limits: server.Limits{Handshake: 3 * time.Second}})
		start := time.Now()
		_, end := conversation(t, h.socket(t, nil))
		if took := time.Since(start); end == nil || took != 3*time.Second {
			t.Errorf("ended after %v with %v", took, end)
		}
	})
}

// TestSlowBody: a body below the minimum rate is answered 408, a steady one is accepted.
func TestSlowBody(t *testing.T) {
	for _, c := range []struct {
		name   string
		every  time.Duration
		status int
		took   time.Duration
	}{
		{"trickle", time.Second, 408, 3 * time.Second},
		{"steady", time.Millisecond, 200, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, server.Config{OnSession: echoBack})
				conn, err := h.net.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				text := "holdfast/1 open " + nonce + "\n@1 0\n" + openLine(1) + "\n.\n"
				fmt.Fprintf(conn, "POST /holdfast HTTP/1.1\r\nHost: holdfast.test\r\nContent-Length: %d\r\n\r\n",
					len(text))
				start := time.Now()
				var writer sync.WaitGroup
				defer writer.Wait()
				writer.Go(func() {
					for i := range len(text) {
						if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
							return
						}
						time.Sleep(c.every)
					}
				})
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); resp.StatusCode != c.status || c.took != 0 && took != c.took {
					t.Errorf("%d after %v", resp.StatusCode, took)
				}
				_ = resp.Body.Close()
				_ = conn.Close()
			})
		})
	}
}

// TestTickets: a ticket opens one stream, once, before it expires, for its own principal.
func TestTickets(t *testing.T) {
	for _, c := range []struct {
		name   string
		status []int
		use    func(t *testing.T, v *victim, ticket string) []answer
	}{
		{"twice", []int{200, 204}, func(t *testing.T, v *victim, ticket string) []answer {
			return []answer{v.stream(t, "?ticket="+ticket, nil), v.stream(t, "?ticket="+ticket, nil)}
		}},
		{"another principal", []int{204, 204}, func(t *testing.T, v *victim, ticket string) []answer {
			return []answer{
				v.stream(t, "?ticket="+ticket, header("Cookie", "mallory")),
				v.stream(t, "?ticket="+ticket, nil),
			}
		}},
		{"a refused principal", []int{204, 204}, func(t *testing.T, v *victim, ticket string) []answer {
			return []answer{
				v.stream(t, "?ticket="+ticket, header("Cookie", "locked-out")),
				v.stream(t, "?ticket="+ticket, nil),
			}
		}},
		{"a refused token", []int{204}, func(t *testing.T, v *victim, ticket string) []answer {
			return []answer{v.stream(t, "?ticket="+ticket, header("Authorization", "locked-out"))}
		}},
		{"too late", []int{204}, func(t *testing.T, v *victim, ticket string) []answer {
			time.Sleep(31 * time.Second)
			return []answer{v.stream(t, "?ticket="+ticket, nil)}
		}},
		{"foreign Origin", []int{204}, func(t *testing.T, v *victim, ticket string) []answer {
			return []answer{v.stream(t, "?ticket="+ticket, header("Origin", "https://evil.example"))}
		}},
		{"listed Origin", []int{200}, func(t *testing.T, v *victim, ticket string) []answer {
			return []answer{v.stream(t, "?ticket="+ticket, header("Origin", "https://app.example"))}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVictim(t)
				a := v.post(t, "up", v.up()+"\n"+`!ticket {"att":5,"u":1,"recv":0}`, nil)
				ticket := a.field("ticket")
				if ticket == "" {
					t.Fatalf("no ticket: %v", a)
				}
				for i, got := range c.use(t, v, ticket) {
					if got.status != c.status[i] {
						t.Errorf("use %d: %v", i, got)
					}
					if got.status == 200 && !strings.Contains(got.body,
						"data:holdfast/1 stream -\ndata:@1 0\ndata:!opened {") {
						t.Errorf("use %d: %q", i, got.body)
					}
				}
				v.unharmed(t)
				v.peer.OnMessage(func(session.Message) {})
			})
		})
	}
}

// stream reads an event stream for a second.
func (h *harness) stream(t *testing.T, query string, edit func(*http.Request)) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.net.URL+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	resp, err := h.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}
