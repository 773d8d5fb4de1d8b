package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/server/gateway"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setting is a backend, and a Server with a gateway to it.
type setting struct {
	url  string
	srv  *server.Server
	ctx  context.Context
	asks chan *http.Request // of the backend
}

// start starts both; the backend upgrades and calls serve, and reports how it ended.
func start(t *testing.T, cfg gateway.Config, serve func(c *websocket.Conn)) *setting {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second) // also for the cleanup
	s := &setting{ctx: ctx, asks: make(chan *http.Request, 10)}
	up := websocket.Upgrader{Subprotocols: []string{"two", "three"}}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asks <- r
		if strings.Contains(r.URL.Path, "refuse") {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		u, h := up, http.Header(nil)
		if strings.Contains(r.URL.Path, "force") {
			u, h = websocket.Upgrader{}, http.Header{"Sec-Websocket-Protocol": {"two"}}
		}
		c, err := u.Upgrade(w, r, h)
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
	}))
	if cfg.Target == "" {
		cfg.Target = "ws" + strings.TrimPrefix(backend.URL, "http") + "/base/"
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.srv, err = server.New(server.Config{
		OnSession: g.OnSession, KeepHeaders: cfg.Headers, Logger: cfg.Logger,
		Limits: server.Limits{MaxMessage: 4096, Window: 8192},
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s.srv)
	s.url = front.URL + "/holdfast"
	t.Cleanup(func() {
		if err := s.srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		front.Close()
		backend.Close()
		cancel()
	})
	return s
}

// dial opens a session as the drop-in class does.
func (s *setting) dial(t *testing.T, protocols []string, url string, header http.Header) *session.Session {
	t.Helper()
	meta, err := json.Marshal(map[string]any{"websocket": map[string]any{"protocols": protocols, "url": url}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(s.ctx, s.url, &client.Options{Meta: meta, Header: header})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// end reads until the session ends.
func (s *setting) end(t *testing.T, c *session.Session) (texts []string, e session.End) {
	t.Helper()
	for {
		m, err := c.Receive(s.ctx)
		var ended *session.EndError
		if errors.As(err, &ended) {
			return texts, ended.End
		}
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(m.Data))
	}
}

func echo(c *websocket.Conn) {
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func TestMessages(t *testing.T) {
	s := start(t, gateway.Config{}, echo)
	c := s.dial(t, nil, "", nil)
	for _, m := range []session.Message{
		session.Text(""), session.Text("hé\x00\n"), session.Binary([]byte{0, 0xff}),
		session.Binary(nil), session.Binary(make([]byte, 4096)),
	} {
		if _, err := c.Send(s.ctx, m); err != nil {
			t.Fatal(err)
		}
		got, err := c.Receive(s.ctx)
		if err != nil || got.Binary != m.Binary || string(got.Data) != string(m.Data) {
			t.Errorf("%.10q came back as %.10q, binary %v: %v", m.Data, got.Data, got.Binary, err)
		}
	}
	if r := <-s.asks; r.URL.Path != "/base/" || r.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Errorf("the backend was asked for %v, %v", r.URL, r.Header)
	}
	if err := c.Close(s.ctx); err != nil {
		t.Error(err)
	}
}

// TestPlainSession: a session without the meta of the class is served like one without protocols.
func TestPlainSession(t *testing.T) {
	s := start(t, gateway.Config{}, echo)
	for _, meta := range []json.RawMessage{nil, json.RawMessage(`"chat"`), json.RawMessage(`{"room":1}`)} {
		c, err := client.Dial(s.ctx, s.url, &client.Options{Meta: meta})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(s.ctx, session.Text("hello")); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Receive(s.ctx); err != nil || string(m.Data) != "hello" {
			t.Errorf("%s: %q, %v", meta, m.Data, err)
		}
		_ = c.Close(s.ctx)
	}
}

// TestSubprotocol: the backend chooses, and its choice is the first message.
func TestSubprotocol(t *testing.T) {
	s := start(t, gateway.Config{}, func(c *websocket.Conn) {
		_ = c.WriteMessage(websocket.TextMessage, []byte("welcome"))
		echo(c)
	})
	for _, test := range []struct {
		offer []string
		want  string
	}{{[]string{"one", "two", "three"}, "two"}, {[]string{"three"}, "three"}, {[]string{"one"}, ""}} {
		c := s.dial(t, test.offer, "", nil)
		for _, want := range []string{test.want, "welcome"} {
			if m, err := c.Receive(s.ctx); err != nil || m.Binary || string(m.Data) != want {
				t.Errorf("%v: %q, %v, want %q", test.offer, m.Data, err, want)
			}
		}
		if r := <-s.asks; r.Header.Get("Sec-WebSocket-Protocol") != strings.Join(test.offer, ", ") {
			t.Errorf("the backend was offered %q", r.Header.Get("Sec-WebSocket-Protocol"))
		}
		_ = c.Close(s.ctx)
	}
}

// TestBackendCloses: the code and reason of the backend come after all its messages.
func TestBackendCloses(t *testing.T) {
	long := strings.Repeat("é", 61)
	frames := map[string]func(c *websocket.Conn){
		"4400 why not": func(c *websocket.Conn) { bye(c, 4400, "why not") },
		"1000 ":        func(c *websocket.Conn) { bye(c, 1000, "") },
		"1005 ":        func(c *websocket.Conn) { _ = c.WriteMessage(websocket.CloseMessage, nil) },
		"3000 " + long: func(c *websocket.Conn) { bye(c, 3000, long) },
		"1006 ":        func(c *websocket.Conn) { _ = c.NetConn().Close() },
		"1007 ":        func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, []byte("\xff")); echo(c) },
		"1009 ": func(c *websocket.Conn) {
			_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 4097))
			echo(c)
		},
	}
	for want, end := range frames {
		t.Run(want[:4], func(t *testing.T) {
			s := start(t, gateway.Config{}, func(c *websocket.Conn) {
				_ = c.WriteMessage(websocket.TextMessage, []byte("a"))
				_ = c.WriteMessage(websocket.TextMessage, []byte("b"))
				end(c)
			})
			texts, e := s.end(t, s.dial(t, nil, "", nil))
			if strings.Join(texts, "") != "ab" || e.Code != transport.CodeDone || !strings.HasPrefix(e.Reason, want) ||
				want != "1006 " && want != "1009 " && e.Reason != want {
				t.Errorf("%q, %+v", texts, e)
			}
		})
	}
}

func bye(c *websocket.Conn, code int, reason string) {
	_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason))
	_, _, _ = c.ReadMessage()
}

// TestReadLimit: gorilla stops reading if the limit of the gateway is lower than that of the
// session.
func TestReadLimit(t *testing.T) {
	s := start(t, gateway.Config{MaxMessage: 1024}, func(c *websocket.Conn) {
		_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 1025))
		echo(c)
	})
	if _, e := s.end(t, s.dial(t, nil, "", nil)); e.Reason != "1009 message too big" {
		t.Errorf("%+v", e)
	}
}

// TestClientCloses: the backend reads all messages, and then the client's code and reason.
func TestClientCloses(t *testing.T) {
	for reason, want := range map[string]string{
		"4400 why not": "4400 why not",
		"1000 ":        "1000 ",
		"1005 ":        "1005 ",
		"":             "1000 ",
		"words":        "1000 ",
		"1006":         "1006 unexpected EOF",
		"1015 x":       "1006 unexpected EOF",
		"99999 x":      "1000 ",
	} {
		t.Run(reason, func(t *testing.T) {
			ends := make(chan string, 1)
			s := start(t, gateway.Config{}, func(c *websocket.Conn) {
				texts := ""
				for {
					_, data, err := c.ReadMessage()
					var frame *websocket.CloseError
					if errors.As(err, &frame) {
						b, _ := json.Marshal(frame.Code)
						ends <- texts + string(b) + " " + frame.Text
						return
					} else if err != nil {
						ends <- err.Error()
						return
					}
					texts += string(data)
				}
			})
			c := s.dial(t, nil, "", nil)
			for _, text := range []string{"a", "b"} {
				if _, err := c.Send(s.ctx, session.Text(text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.CloseWith(s.ctx, transport.CodeDone, reason); err != nil {
				t.Error(err)
			}
			if got := <-ends; got != "ab"+want {
				t.Errorf("the backend saw %q, want %q", got, "ab"+want)
			}
		})
	}
}

// TestServerDrains: the backend gets the close code "going away".
func TestServerDrains(t *testing.T) {
	ends := make(chan error, 1)
	s := start(t, gateway.Config{}, func(c *websocket.Conn) {
		_, _, err := c.ReadMessage()
		ends <- err
	})
	c := s.dial(t, nil, "", nil)
	<-s.asks
	go func() { _ = s.srv.Shutdown(s.ctx) }()
	if _, e := s.end(t, c); e.Code != transport.CodeDraining {
		t.Errorf("%+v", e)
	}
	if err := <-ends; !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Error(err)
	}
}

// TestUnreachable: the session ends like a connection that failed.
func TestUnreachable(t *testing.T) {
	s := start(t, gateway.Config{}, echo)
	_, e := s.end(t, s.dial(t, []string{"two"}, "refuse", nil))
	if e.Code != transport.CodeDone || !strings.HasPrefix(e.Reason, "1006 ") {
		t.Errorf("%+v", e)
	}
	<-s.asks
	s = start(t, gateway.Config{Target: "ws://127.0.0.1:1"}, echo)
	if _, e = s.end(t, s.dial(t, nil, "", nil)); !strings.HasPrefix(e.Reason, "1006 ") {
		t.Errorf("%+v", e)
	}
}

// TestUnoffered: a subprotocol that the client has not offered is an error if it offered none; if
// it offered some, the client decides.
func TestUnoffered(t *testing.T) {
	s := start(t, gateway.Config{}, echo)
	if _, e := s.end(t, s.dial(t, nil, "force", nil)); !strings.HasPrefix(e.Reason, "1006 ") {
		t.Errorf("%+v", e)
	}
	c := s.dial(t, []string{"one"}, "force", nil)
	if m, err := c.Receive(s.ctx); err != nil || string(m.Data) != "two" {
		t.Errorf("%q, %v", m.Data, err)
	}
	_ = c.Close(s.ctx)
}

// TestHeaders: the backend gets the listed headers, and no others.
func TestHeaders(t *testing.T) {
	header := http.Header{"Cookie": {"a=b"}, "Authorization": {"Bearer x"}, "X-Forwarded-For": {"192.0.2.1"}}
	for _, list := range [][]string{nil, {"cookie"}} {
		s := start(t, gateway.Config{Headers: list}, echo)
		c := s.dial(t, nil, "", header)
		r := <-s.asks
		want := ""
		if list != nil {
			want = "a=b"
		}
		if r.Header.Get("Cookie") != want || r.Header.Get("Authorization") != "" ||
			r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Origin") != "" {
			t.Errorf("%v: %v", list, r.Header)
		}
		_ = c.Close(s.ctx)
	}
}

// TestBackpressure: a client that reads nothing stops the backend, within bounds, and nothing is
// lost.
func TestBackpressure(t *testing.T) {
	const count, size = 4000, 4000
	sent := make(chan int, count)
	s := start(t, gateway.Config{}, func(c *websocket.Conn) {
		defer close(sent)
		for i := range count {
			message := make([]byte, size)
			message[0], message[1] = byte(i>>8), byte(i)
			if c.WriteMessage(websocket.BinaryMessage, message) != nil {
				return
			}
			sent <- i
		}
		bye(c, 1000, "")
	})
	c := s.dial(t, nil, "", nil)
	for i := range count {
		m, err := c.Receive(s.ctx)
		if err != nil || len(m.Data) != size || int(m.Data[0])<<8|int(m.Data[1]) != i {
			t.Fatalf("message %d: %d bytes, %v", i, len(m.Data), err)
		}
		if i == 0 { // the socket buffers and one window fill; then nothing moves
			look := time.NewTicker(300 * time.Millisecond)
			for last := -1; last != len(sent) && s.ctx.Err() == nil; <-look.C {
				last = len(sent)
			}
			look.Stop()
			if len(sent) == count {
				t.Error("the backend was never held up")
			}
		}
	}
	if _, e := s.end(t, c); e.Reason != "1000 " {
		t.Errorf("%+v", e)
	}
}

func TestConfig(t *testing.T) {
	for _, target := range []string{
		"", "http://host/", "ws://", "ws:///path", "ws://user@host/", "ws://host/?a",
		"ws://host/?", "ws://host/#", "://",
	} {
		if _, err := gateway.New(gateway.Config{Target: target}); err == nil {
			t.Errorf("the target %q passes", target)
		}
	}
	for _, name := range []string{"", "host", "upgrade", "connection", "sec-websocket-protocol"} {
		if _, err := gateway.New(gateway.Config{Target: "wss://host", Headers: []string{name}}); err == nil {
			t.Errorf("the header %q passes", name)
		}
	}
}

// TestClientAway: while the client takes nothing and the window is full, pongs tell the backend
// that its connection lives: its own pings are behind what is not read.
func TestClientAway(t *testing.T) {
	pongs := make(chan struct{}, 100)
	s := start(t, gateway.Config{KeepAlive: 20 * time.Millisecond}, func(c *websocket.Conn) {
		c.SetPongHandler(func(string) error {
			select {
			case pongs <- struct{}{}:
			default:
			}
			return nil
		})
		for range 4 { // twice the window
			_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 4000))
		}
		_ = c.WriteMessage(websocket.PingMessage, nil)
		_, _, _ = c.ReadMessage()
	})
	c := s.dial(t, nil, "", nil)
	for range 3 {
		select {
		case <-pongs:
		case <-time.After(10 * time.Second):
			t.Fatal("no pong")
		}
	}
	for range 4 { // nothing is lost
		if m, err := c.Receive(s.ctx); err != nil || len(m.Data) != 4000 {
			t.Fatalf("%d bytes, %v", len(m.Data), err)
		}
	}
	_ = c.Close(s.ctx)
}

// TestIdentity: the backend is told who is there, and no client can say otherwise.
func TestIdentity(t *testing.T) {
	s := start(t, gateway.Config{
		Headers:  []string{"X-User", "Holdfast-Client-Address"},
		Identity: gateway.Identity{Principal: "X-User", Session: "X-Session", Address: "X-Client"},
	}, echo)
	c := s.dial(t, nil, "", http.Header{
		"X-User": {"root"}, "Holdfast-Client-Address": {"192.0.2.9"}, "X-Client": {"x"},
	})
	r := <-s.asks
	if user := r.Header.Values("X-User"); len(user) != 1 || user[0] != "" ||
		r.Header.Get("X-Client") != "127.0.0.1" || r.Header.Get("X-Session") != c.ID() {
		t.Errorf("the backend was told %v, of session %s", r.Header, c.ID())
	}
	if server.AddressHeader != "Holdfast-Client-Address" {
		t.Error("the name that package gateway knows is not that of package server")
	}
	_ = c.Close(s.ctx)
}
