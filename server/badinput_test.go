package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
)

// victim is a session opened without our client, with one unacknowledged message of the server.
// Every bad request is sent to it.
type victim struct {
	*harness
	peer *session.Session
	run  string
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{}
	v.harness = open(t, server.Config{
		OnSession: func(s *session.Session) {
			if string(s.Meta()) == `"other"` {
				return
			}
			v.peer = s
			_, _ = s.Send(context.Background(), session.Text("first"))
		},
		Origins: []string{"https://app.example"},
		Authenticate: func(_ context.Context, h *session.Handshake) (string, error) {
			if h.Header.Get("Cookie")+h.Header.Get("Authorization") == "locked-out" {
				return "", errors.New("locked out")
			}
			return h.Header.Get("Cookie"), nil
		},
	})
	a := v.harness.post(t, "open", openLine(1)+"\nthello", nil)
	if v.run = a.field("run"); a.status != 200 || v.run == "" {
		t.Fatalf("open: %v", a)
	}
	a = v.post(t, "poll", v.poll(1), nil)
	if !strings.Contains(a.body, "\ntfirst\n") {
		t.Fatalf("poll: %v", a)
	}
	return v
}

func (v *victim) poll(p int) string {
	return fmt.Sprintf(`!poll {"key":%q,"run":%q,"att":1,"p":%d,"recv":0,"hold":1000}`, keyA, v.run, p)
}

func (v *victim) up() string {
	return fmt.Sprintf(`!up {"key":%q,"run":%q,"att":1}`, keyA, v.run)
}

// unharmed checks that the session has lost nothing, and goes on.
func (v *victim) unharmed(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if m, err := v.peer.Receive(ctx); err != nil || string(m.Data) != "hello" {
		t.Errorf("the server has %q, %v", m.Data, err)
	}
	a := v.send(t, "holdfast/1 up "+nonce+"\n@2 0\n"+v.up()+"\ntmore\n.\n", nil)
	if !strings.Contains(a.body, `"recv":2,"sent":1,"sel":{"u":1,"att":1}`) {
		t.Errorf("up: %v", a)
	}
	if m, err := v.peer.Receive(ctx); err != nil || string(m.Data) != "more" {
		t.Errorf("the server has %q, %v", m.Data, err)
	}
	if a = v.post(t, "poll", v.poll(9), nil); !strings.Contains(a.body, "@1 2\n") ||
		!strings.Contains(a.body, "\ntfirst\n") {
		t.Errorf("poll: %v", a)
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// badRequests are requests that must change nothing. refusal is a reason of a refusal in a 200;
// without it only status counts.
var badRequests = []struct {
	name    string
	status  int
	refusal string
	do      func(t *testing.T, v *victim) answer
}{
	{"method", 405, "", func(t *testing.T, v *victim) answer { return v.request(t, http.MethodPut, "", nil) }},
	{"HEAD", 405, "", func(t *testing.T, v *victim) answer { return v.request(t, http.MethodHead, "?ticket=x", nil) }},
	{"GET of nothing", 426, "", func(t *testing.T, v *victim) answer { return v.request(t, http.MethodGet, "", nil) }},
	{"no body", 400, "", func(t *testing.T, v *victim) answer { return v.send(t, "", nil) }},
	{"another protocol", 400, "", func(t *testing.T, v *victim) answer { return v.send(t, `{"jsonrpc":"2.0"}`, nil) }},
	{"version of the preamble", 400, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/2 up "+nonce+"\n@1 0\n"+v.up()+"\n.\n", nil)
	}},
	{"kind", 400, "", func(t *testing.T, v *victim) answer { return v.post(t, "push", v.up(), nil) }},
	{
		"kind of another control", 200, "malformed",
		func(t *testing.T, v *victim) answer { return v.post(t, "poll", v.up(), nil) },
	},
	{"nonce too short", 400, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up abc\n@1 0\n"+v.up()+"\n.\n", nil)
	}},
	{"nonce of a stream by ticket", 400, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up -\n@1 0\n"+v.up()+"\n.\n", nil)
	}},
	{"content coding", 415, "", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", v.up(), header("Content-Encoding", "gzip"))
	}},
	{"content type", 415, "", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", v.up(), header("Content-Type", "application/json"))
	}},
	{"truncated", 400, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up "+nonce+"\n@2 0\n"+v.up()+"\ntmo", nil)
	}},
	{"no end line", 400, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up "+nonce+"\n@2 0\n"+v.up()+"\ntmore\n", nil)
	}},
	{"something after the end", 400, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up "+nonce+"\n@2 0\n"+v.up()+"\ntmore\n.\nt", nil)
	}},
	{"not UTF-8", 400, "", func(t *testing.T, v *victim) answer { return v.post(t, "up", v.up()+"\nt\xff", nil) }},
	{
		"garbled line", 200, "malformed",
		func(t *testing.T, v *victim) answer { return v.post(t, "up", v.up()+"\n\x00more", nil) },
	},
	{
		"garbled base64", 200, "malformed",
		func(t *testing.T, v *victim) answer { return v.post(t, "up", v.up()+"\nbSGk", nil) },
	},
	{
		"unknown control", 200, "malformed",
		func(t *testing.T, v *victim) answer { return v.post(t, "up", v.up()+"\n!frob {}", nil) },
	},
	{"duplicate field", 200, "malformed", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", strings.Replace(v.up(), "{", `{"att":1,`, 1), nil)
	}},
	{"oversized", 413, "", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", v.up()+"\nt"+strings.Repeat("x", 70_000), nil)
	}},
	{"oversized without a length", 413, "", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", v.up()+"\nt"+strings.Repeat("x", 70_000), func(r *http.Request) { r.ContentLength = -1 })
	}},
	{"number from the future", 200, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up "+nonce+"\n@9 0\n"+v.up()+"\ntlate\n.\n", nil)
	}},
	{"ack beyond sent", 200, "position", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up "+nonce+"\n@2 7\n"+v.up()+"\ntx\n.\n", nil)
	}},
	{"recv above sent", 200, "position", func(t *testing.T, v *victim) answer {
		return v.post(t, "poll", strings.Replace(v.poll(2), `"recv":0`, `"recv":7`, 1), nil)
	}},
	{"version", 200, "version", func(t *testing.T, v *victim) answer {
		return v.post(t, "open", strings.Replace(openLine(2), `"v":[1]`, `"v":[2,3]`, 1), nil)
	}},
	{"key of nobody", 200, "unknown", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", strings.Replace(v.up(), keyA, keyB, 1), nil)
	}},
	{"no key", 200, "malformed", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", strings.Replace(v.up(), keyA, "short", 1), nil)
	}},
	{"run", 200, "unknown", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", strings.Replace(v.up(), v.run, "0123456789abcdef", 1)+"\ntx", nil)
	}},
	{"no run", 200, "malformed", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", fmt.Sprintf(`!up {"key":%q,"att":1}`, keyA), nil)
	}},
	{"principal", 200, "unknown", func(t *testing.T, v *victim) answer {
		return v.post(t, "open", strings.Replace(openLine(2), `"att"`, `"run":"`+v.run+`","att"`, 1),
			header("Cookie", "mallory"))
	}},
	{"foreign Origin", 200, "origin", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", v.up()+"\ntx", header("Origin", "https://evil.example"))
	}},
	{
		"opaque Origin", 403, "",
		func(t *testing.T, v *victim) answer { return v.post(t, "up", v.up(), header("Origin", "null")) },
	},
	{"cross-site without Origin", 403, "", func(t *testing.T, v *victim) answer {
		return v.post(t, "up", v.up(), header("Sec-Fetch-Site", "cross-site"))
	}},
	{"stale u", 200, "", func(t *testing.T, v *victim) answer {
		a := v.post(t, "open", strings.Replace(openLine(2), `"u":2,`, "", 1), nil)
		use := fmt.Sprintf(`!use {"u":1,"att":2,"challenge":%q,"recv":0}`, a.field("challenge"))
		return v.post(t, "up", fmt.Sprintf(`!up {"key":%q,"run":%q,"att":2}`, keyA, v.run)+"\n"+use, nil)
	}},
	{"use without the challenge", 200, "", func(t *testing.T, v *victim) answer {
		v.post(t, "open", strings.Replace(openLine(2), `"u":2,`, "", 1), nil)
		return v.post(t, "up", fmt.Sprintf(`!up {"key":%q,"run":%q,"att":2}`, keyA, v.run)+"\n"+
			`!use {"u":9,"att":2,"challenge":"guess","recv":0}`, nil)
	}},
	{"early data with a message", 425, "", func(t *testing.T, v *victim) answer {
		return v.send(t, "holdfast/1 up "+nonce+"\n@2 0\n"+v.up()+"\ntx\n.\n", header("Early-Data", "1"))
	}},
	{"unknown ticket", 204, "", func(t *testing.T, v *victim) answer {
		return v.request(t, http.MethodGet, "?ticket=ABCDEFGHIJKLMNOPQRSTUVWXYZ", nil)
	}},
	{"nonce beside a ticket", 400, "", func(t *testing.T, v *victim) answer {
		return v.request(t, http.MethodGet, "?ticket=ABCDEFGHIJKLMNOPQRSTUVWXYZ&nonce=x", nil)
	}},
	{"handshake without a key", 400, "", func(t *testing.T, v *victim) answer {
		return v.request(t, http.MethodGet, "", func(r *http.Request) { upgrade(r); r.Header.Del("Sec-Websocket-Key") })
	}},
	{"handshake of another version", 426, "", func(t *testing.T, v *victim) answer {
		return v.request(t, http.MethodGet, "",
			func(r *http.Request) { upgrade(r); r.Header.Set("Sec-Websocket-Version", "8") })
	}},
	{"handshake of a cross-site page", 403, "", func(t *testing.T, v *victim) answer {
		return v.request(t, http.MethodGet, "", func(r *http.Request) { upgrade(r); r.Header.Set("Origin", "null") })
	}},
	{"preflight of a stranger", 403, "", func(t *testing.T, v *victim) answer {
		return v.request(t, http.MethodOptions, "", func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
		})
	}},
}

func upgrade(r *http.Request) {
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-Websocket-Version", "13")
	r.Header.Set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

// request sends a request without a body.
func (h *harness) request(t *testing.T, method, query string, edit func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.net.URL+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	return h.do(t, r)
}

// TestBadInput: each bad request gets a precise status or refusal with the headers that every
// answer has, and does not change any session.
func TestBadInput(t *testing.T) {
	for _, bad := range badRequests {
		t.Run(bad.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVictim(t)
				a := bad.do(t, v)
				if a.status != bad.status || bad.refusal != "" && !a.refused(bad.refusal) ||
					bad.refusal == "" && strings.Contains(a.body, "!refused") {
					t.Errorf("got %v, want %d %s", a, bad.status, bad.refusal)
				}
				for name, want := range map[string]string{
					"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				} {
					if got := a.header.Get(name); !strings.HasPrefix(got, want) {
						t.Errorf("%s is %q (HF1-HTTP-05)", name, got)
					}
				}
				v.unharmed(t)
				v.peer.OnMessage(func(session.Message) {})
			})
		})
	}
}

// TestUnknownIsOneAnswer: nobody learns from the answer whether a session exists (HF1-WHO-08).
func TestUnknownIsOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVictim(t)
		open := strings.Replace(openLine(2), `"att"`, `"run":"`+v.run+`","att"`, 1)
		principal := v.post(t, "open", open, header("Cookie", "mallory"))
		run := v.post(t, "open", strings.Replace(open, v.run, "0123456789abcdef", 1), nil)
		key := v.post(t, "open", strings.Replace(open, keyA, keyB, 1), nil)
		if principal.body != run.body || run.body != key.body || !key.refused("unknown") {
			t.Errorf("principal %q\nrun %q\nkey %q", principal.body, run.body, key.body)
		}
		v.unharmed(t)
		v.peer.OnMessage(func(session.Message) {})
	})
}

// TestPreflight: the preflight of a listed page is answered, and so are its requests.
func TestPreflight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVictim(t)
		a := v.request(t, http.MethodOptions, "", func(r *http.Request) {
			r.Header.Set("Origin", "https://app.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "content-type")
		})
		if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") ||
			a.header.Get("Vary") != "Origin" {
			t.Errorf("preflight: %v", a)
		}
		a = v.post(t, "up", v.up(), header("Origin", "https://app.example"))
		if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
			t.Errorf("request: %v", a)
		}
		v.unharmed(t)
		v.peer.OnMessage(func(session.Message) {})
	})
}
