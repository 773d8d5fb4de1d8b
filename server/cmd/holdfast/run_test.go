package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

// asProgram makes this binary be the program, for tests of signals.
const asProgram = "TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// output is what the program has printed so far.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.b.Write(p)
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return n, err
}

// find waits for a match and returns its group.
func (o *output) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(20 * time.Second)
	for {
		o.mu.Lock()
		m := re.FindStringSubmatch(o.b.String())
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more := o.more
		o.mu.Unlock()
		if m != nil {
			return m[1]
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%s does not come; got %q", pattern, o.text())
		}
	}
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// program is a running binary.
type program struct {
	stdout, stderr output
	stop           context.CancelFunc
	code           chan int
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{stop: cancel, code: make(chan int, 1)}
	go func() { p.code <- Run(ctx, args, nil, &p.stdout, &p.stderr) }()
	t.Cleanup(cancel)
	return p
}

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := web.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(b)
}

func post(t *testing.T, url string) int {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := web.Post(url, "text/plain", strings.NewReader("hello\n"))
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	return r.StatusCode
}

// TestServeAndDrain: on loopback everything is served. At the end the program delivers its
// messages, closes the sessions and exits with 0.
func TestServeAndDrain(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0", "-log-level", "debug")
	base := strings.TrimSuffix(p.stdout.find(t, `Demo page: (\S+)`), "/")
	for path, want := range map[string]string{
		"/": "<!doctype html>", "/doctor": "Holdfast doctor", "/doctor/doctor.mjs": "export",
		"/holdfast.js": "Holdfast", "/holdfast/holdfast.mjs": "export", "/healthz": "ok", "/readyz": "ready",
		"/metrics": "holdfast_sessions",
	} {
		code, header, text := get(t, base+path)
		if code != 200 || !strings.Contains(strings.ToLower(text), strings.ToLower(want)) ||
			header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v %.80q", path, code, header, text)
		}
	}
	if code := post(t, base+"/holdfast/x"); code != 404 {
		t.Errorf("POST /holdfast/x: %d", code)
	}
	if _, header, _ := get(t, base+"/"); !strings.Contains(header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("the page has the policy %q", header.Get("Content-Security-Policy"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var sessions []*session.Session
	for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
		s, err := client.Dial(ctx, base+"/holdfast", &client.Options{Transports: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(ctx, session.Text("hello, secret payload")); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Receive(ctx); err != nil || string(m.Data) != "hello, secret payload" {
			t.Fatalf("%s: %q, %v", name, m.Data, err)
		}
		sessions = append(sessions, s)
	}
	if _, _, text := get(t, base+"/metrics"); !strings.Contains(text,
		`holdfast_sessions{state="attached",transport="sse"} 1`) ||
		!strings.Contains(text, `holdfast_messages_total{direction="up"} 3`) {
		t.Errorf("metrics: %s", text)
	}
	p.stop()
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr.text())
	}
	for _, s := range sessions {
		<-s.Done()
		if e, _ := s.Ended(); e.Code != transport.CodeDraining || !e.Exact || e.Delivered != 1 {
			t.Errorf("ended with %+v", e)
		}
		if !strings.Contains(p.stderr.text(), s.ID()) {
			t.Errorf("no line of the log names session %s", s.ID())
		}
	}
	if strings.Contains(p.stderr.text(), "payload") {
		t.Error("a payload was logged")
	}
}

// TestNothingUnaskedInPublic: on a public address only the endpoint, the client and the doctor are
// served.
func TestNothingUnaskedInPublic(t *testing.T) {
	p := start(t, "-addr", "0.0.0.0:0", "-admin-addr", "127.0.0.1:0")
	endpoint := p.stdout.find(t, `Endpoint:\s+(\S+)`)
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(endpoint, "http://"), "/holdfast"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/": 404, "/doctor": 200, "/doctor/": 200, "/metrics": 404, "/healthz": 404, "/readyz": 404,
		"/holdfast.js": 200, "/holdfast": 426,
		"/holdfast/": 426, "/holdfast/holdfast.js": 200, "/holdfast/x": 404, "/holdfast/x/holdfast.js": 404,
		"/holdfast.js/x": 404,
	} {
		code, header, text := get(t, "http://127.0.0.1:"+port+path)
		if code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
		if code != 200 && (header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(text, "holdfast: ") ||
			header.Get("Cache-Control") != "no-store, no-transform" || header.Get("Referrer-Policy") != "no-referrer") {
			t.Errorf("%s: %v %q (HF1-HTTP-05)", path, header, text)
		}
	}
	// 400: the endpoint, which cannot parse it
	for path, want := range map[string]int{
		"/holdfast": 400, "/holdfast/": 400, "/holdfast/x": 404,
		"/holdfast/x/y": 404,
	} {
		if code := post(t, "http://127.0.0.1:"+port+path); code != want {
			t.Errorf("POST %s: %d, want %d", path, code, want)
		}
	}
	admin := p.stdout.find(t, `Admin:\s+(\S+)/metrics`)
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if code, _, _ := get(t, admin+path); code != 200 {
			t.Errorf("admin %s: %d", path, code)
		}
	}
	p.stop()
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestOneClearLine: each mistake gives one line, and the exit code is not 0.
func TestOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"addr": }`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"flag":         {[]string{"-frob"}, 2, "-frob"},
		"value":        {[]string{"-addr", "nowhere"}, 2, "-addr"},
		"origin":       {[]string{"-origins", "*"}, 2, "-origins"},
		"config":       {[]string{"-config", broken}, 2, "broken.json"},
		"no config":    {[]string{"-config", broken + "x"}, 2, "broken.jsonx"},
		"taken":        {[]string{"-addr", taken.Addr().String()}, 1, "address already in use"},
		"taken admin":  {[]string{"-addr", "127.0.0.1:0", "-admin-addr", taken.Addr().String()}, 1, "-admin-addr"},
		"key file":     {[]string{"-jwt-keys", broken, "-jwt-audience", "a", "-jwt-issuer", "b"}, 2, "jwt-keys"},
		"strict":       {[]string{"-strict-env"}, 2, "HOLDFAST_TYPO"},
		"stray":        {[]string{"serve"}, 2, "serve"},
		"unknown host": {[]string{"-addr", "256.0.0.1:80"}, 1, "-addr"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr output
			var env []string
			if name == "strict" {
				env = []string{"HOLDFAST_TYPO=1"}
			}
			code := Run(t.Context(), c.args, env, &stdout, &stderr)
			text := stderr.text()
			if code != c.code || !strings.Contains(text, c.want) || strings.Count(text, "\n") != 1 ||
				stdout.text() != "" {
				t.Errorf("code %d, %q", code, text)
			}
		})
	}
}

// TestTokens: with a key only clients with a token may connect.
func TestTokens(t *testing.T) {
	secret := []byte("of 32 bytes or more, from a file, not from source")
	keys := filepath.Join(t.TempDir(), "keys.json")
	set := fmt.Sprintf(`{"keys":[{"kty":"oct","alg":"HS256","kid":"1","k":%q}]}`,
		base64.RawURLEncoding.EncodeToString(secret))
	if err := os.WriteFile(keys, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-addr", "127.0.0.1:0", "-jwt-keys", keys, "-jwt-audience", "chat", "-jwt-issuer", "*")
	url := p.stdout.find(t, `Endpoint:\s+(\S+)`)
	for audience, welcome := range map[string]bool{"chat": true, "shop": false} {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256,
			jwt.MapClaims{"sub": "anna", "aud": audience, "iss": "x", "exp": time.Now().Add(time.Hour).Unix()})
		token.Header["kid"] = "1"
		signed, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		s, err := client.Dial(ctx, url,
			&client.Options{Auth: func(context.Context) (json.RawMessage, error) { return json.Marshal(signed) }})
		var end *session.EndError
		if welcome != (err == nil) || err != nil && (!errors.As(err, &end) || end.Code != transport.CodeAuth) {
			t.Errorf("a token for %s: %v", audience, err)
		}
		if s != nil {
			_ = s.Close(ctx)
		}
		cancel()
	}
	p.stop()
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr.text())
	}
}

// TestGateway: with -gateway a session is connected to the backend, not to the echo.
func TestGateway(t *testing.T) {
	up := websocket.Upgrader{}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.WriteMessage(websocket.TextMessage, []byte("backend "+r.URL.Path+" "+r.Header.Get("X-User")+
			" "+r.Header.Get("X-Real-Ip")+" "+strconv.Itoa(len(r.Header.Get("X-Session")))))
		_, _, _ = c.ReadMessage()
	}))
	defer backend.Close()
	p := start(t, "-addr", "127.0.0.1:0", "-gateway", "ws"+strings.TrimPrefix(backend.URL, "http")+"/ws",
		"-gateway-headers", "X-User", "-gateway-identity", "address=X-Real-Ip,session=X-Session")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := client.Dial(ctx, p.stdout.find(t, `Endpoint:\s+(\S+)`),
		&client.Options{Header: http.Header{"X-User": {"anna"}, "X-Real-Ip": {"forged"}}})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Receive(ctx); err != nil || string(m.Data) != "backend /ws anna 127.0.0.1 22" {
		t.Errorf("%q, %v", m.Data, err)
	}
	_ = s.Close(ctx)
	p.stop()
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr.text())
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr output
	if code := Run(t.Context(), []string{"-help"}, os.Environ(), &stdout, &stderr); code != 0 ||
		!strings.Contains(stdout.text(), "-admin-addr") || stderr.text() != "" {
		t.Errorf("code %d: %s%s", code, stdout.text(), stderr.text())
	}
}
