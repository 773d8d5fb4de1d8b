package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the handshake's own
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
	"github.com/holdfast-rt/holdfast/transport/websocket"
)

var hello = transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), []byte("thello\n")}}

// server accepts with o and calls serve with each Conn, in its own goroutine.
func server(o *websocket.Options, serve func(transport.Conn)) *transporttest.Server {
	return transporttest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transport.SetHeaders(w.Header())
		conn, err := websocket.Accept(w, r, o)
		if err != nil {
			w.WriteHeader(transport.HTTPStatus(err))
			return
		}
		go func() {
			defer func() { _ = conn.Close(0, "") }()
			serve(conn)
		}()
	}))
}

// plain dials with gorilla, to send and receive what our own client would not.
func plain(t *testing.T, s *transporttest.Server, protocols ...string) (*gorilla.Conn, *http.Response) {
	t.Helper()
	d := gorilla.Dialer{NetDialContext: s.Dial, Subprotocols: protocols, EnableCompression: true}
	ws, resp, err := d.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws, resp
}

func echo(conn transport.Conn) {
	for {
		b, err := conn.Receive()
		if err != nil || conn.Send(b) != nil {
			return
		}
	}
}

// HF1-WSK-02.
func TestNegotiation(t *testing.T) {
	for _, tc := range []struct {
		offered []string
		want    string
	}{
		{nil, ""},
		{[]string{"holdfast.v1"}, "holdfast.v1"},
		{[]string{"chat", "holdfast.v1", "x"}, "holdfast.v1"},
		{[]string{"chat", "holdfast.v2"}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := server(nil, echo)
			defer s.Close()
			ws, resp := plain(t, s, tc.offered...)
			if ws.Subprotocol() != tc.want || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
				t.Errorf("offered %v: %q, extensions %q", tc.offered, ws.Subprotocol(),
					resp.Header.Get("Sec-WebSocket-Extensions"))
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers of the answer: %v", resp.Header)
			}
			_ = ws.Close()
		})
	}
}

// Anything but a complete, valid handshake is answered with an error (HF1-WSK-03), which the
// handler writes.
func TestRefusedHandshakes(t *testing.T) {
	const good = "GET /holdfast HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	for _, tc := range []struct {
		name, old, with string
		status          int
	}{
		{"good", "", "", 101},
		{"another Origin is the server's to judge", "Host: h\r\n", "Host: h\r\nOrigin: http://elsewhere.test\r\n", 101},
		{"version", "Version: 13", "Version: 12", 426},
		{"no version", "Sec-WebSocket-Version: 13\r\n", "", 400},
		{"no key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "", 400},
		{"short key", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAA", 400},
		{"no upgrade", "Upgrade: websocket\r\n", "", 400},
		{"no connection", "Connection: Upgrade\r\n", "Connection: close\r\n", 400},
		{"method", "GET", "PUT", 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := server(nil, echo)
				defer s.Close()
				conn, err := s.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(conn, strings.Replace(good, tc.old, tc.with, 1))
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || resp.StatusCode != tc.status {
					t.Errorf("answer %v, %v, want %d", resp, err, tc.status)
				}
			})
		})
	}
}

// wrapped is the ResponseWriter of a framework: net/http can only unwrap it.
type wrapped struct{ w http.ResponseWriter }

func (w wrapped) Header() http.Header         { return w.w.Header() }
func (w wrapped) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w wrapped) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w wrapped) Unwrap() http.ResponseWriter { return w.w }

func TestAcceptUnwraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := transporttest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(wrapped{w}, r, nil)
			if err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			go echo(conn)
		}))
		defer s.Close()
		conn, err := (&websocket.Dialer{URL: s.URL, NetDialContext: s.Dial}).Dial(t.Context(), transport.KindSocket,
			hello)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Receive(); err != nil {
			t.Error(err)
		}
		_ = conn.Close(0, "")
	})
}

func TestAcceptHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := transporttest.NewHTTP2Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-WebSocket-Version", "13")
			r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
			_, err := websocket.Accept(w, r, nil)
			var status *transport.StatusError
			if !errors.As(err, &status) {
				t.Errorf("accept: %v", err)
			}
			w.WriteHeader(transport.HTTPStatus(err))
		}))
		client := s.Client()
		resp, err := client.Get(s.URL)
		if err != nil || resp.StatusCode < 400 {
			t.Errorf("%v, %v", resp, err)
		}
		client.CloseIdleConnections()
		s.Close()
		time.Sleep(time.Second)
	})
}

// The client must send first, within 10 s; afterwards there is no limit.
func TestFirstTimeout(t *testing.T) {
	for _, tc := range []struct {
		o    *websocket.Options
		want time.Duration
	}{
		{nil, 10 * time.Second},
		{&websocket.Options{FirstTimeout: time.Second}, time.Second},
		{&websocket.Options{FirstTimeout: -1}, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			ended := make(chan time.Duration, 1)
			s := server(tc.o, func(conn transport.Conn) {
				_, _ = conn.Receive()
				ended <- time.Since(start)
			})
			defer s.Close()
			ws, _ := plain(t, s)
			_ = ws.WriteControl(gorilla.PingMessage, nil, time.Now().Add(time.Second)) // no batch
			time.AfterFunc(time.Hour, func() { _ = ws.Close() })
			if d := <-ended; d != tc.want {
				t.Errorf("ended after %v, want %v", d, tc.want)
			}
			_ = ws.Close()
		})
	}
}

func TestCloseCodes(t *testing.T) {
	for _, tc := range []struct {
		code  int
		check func(error) bool
	}{
		{1000, func(err error) bool { return errors.Is(err, io.EOF) }},
		{1001, func(err error) bool { return errors.Is(err, io.EOF) }},
		{gorilla.CloseNoStatusReceived, func(err error) bool { return errors.Is(err, io.EOF) }},
		{1002, other},
		{1006, other},
		{1009, other},
		{1011, other},
		{3000, other},
		{3999, other},
		{4400, other},
		{4999, other},
		{4001, is(transport.CodeSuperseded)},
		{4100, is(transport.CodeDone)},
		{4204, is(transport.CodeLost)},
		{4306, is(transport.CodePolicy)},
	} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan error, 1)
			s := server(nil, func(conn transport.Conn) {
				_, err := conn.Receive()
				ended <- err
			})
			defer s.Close()
			ws, _ := plain(t, s)
			if tc.code == 1006 {
				_ = ws.Close()
			} else {
				_ = ws.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(tc.code, "why"),
					time.Now().Add(time.Second))
			}
			if err := <-ended; !tc.check(err) {
				t.Errorf("code %d: %v", tc.code, err)
			}
			_ = ws.Close()
		})
	}
}

func is(code transport.Code) func(error) bool {
	return func(err error) bool {
		var end *transport.CloseError
		return errors.As(err, &end) && end.Code == code && end.Reason == "why"
	}
}

func other(err error) bool {
	var end *transport.CloseError
	return err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &end) && !errors.Is(err, transport.ErrClosed)
}

// Fragments, pings between them, and empty frames make one batch.
func TestFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(nil, echo)
		defer s.Close()
		ws, _ := plain(t, s)
		pongs := 0
		ws.SetPongHandler(func(string) error { pongs++; return nil })
		w, _ := ws.NextWriter(gorilla.TextMessage)
		want := strings.Repeat("tü", 6000)
		_, _ = io.WriteString(w, want) // more than a write buffer: several frames, cut inside characters
		_ = ws.WriteControl(gorilla.PingMessage, []byte("x"), time.Now().Add(time.Second))
		_ = w.Close()
		kind, got, err := ws.ReadMessage()
		if kind != gorilla.TextMessage || string(got) != want || err != nil || pongs != 1 {
			t.Errorf("kind %d, %d bytes, %v, %d pongs", kind, len(got), err, pongs)
		}
		_ = ws.Close()
	})
}

// A 101 answer that is not a handshake, and one with an extension that nobody offered.
func TestDialForeignServer(t *testing.T) {
	const accept = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
	for name, header := range map[string]string{
		"no accept":    "Upgrade: websocket\r\nConnection: Upgrade\r\n",
		"wrong accept": accept + "AAAA\r\n",
		"extension": accept + "RIGHT\r\nSec-WebSocket-Extensions: permessage-deflate; " +
			"server_no_context_takeover; client_no_context_takeover\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			d := websocket.Dialer{
				URL: "ws://h/",
				NetDialContext: func(context.Context, string, string) (net.Conn, error) {
					client, far := transporttest.Pipe()
					go func() {
						r, err := http.ReadRequest(bufio.NewReader(far))
						if err != nil {
							return
						}
						// RFC 6455 §4.2.2
						sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") +
							"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
						right := base64.StdEncoding.EncodeToString(sum[:])
						_, _ = io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\n"+
							strings.Replace(header, "RIGHT", right, 1)+"\r\n")
					}()
					return client, nil
				},
			}
			if _, err := d.Dial(t.Context(), transport.KindSocket, hello); !errors.Is(err, transport.ErrGarbled) {
				t.Errorf("%s: %v, want %v", name, err, transport.ErrGarbled)
			}
		})
	}
}

func TestDialOtherKind(t *testing.T) {
	if _, err := (&websocket.Dialer{}).Dial(t.Context(), transport.KindPoll, hello); err == nil {
		t.Error("a poll was dialled over a WebSocket")
	}
}

// A batch belongs to the caller until the next Receive, whatever other connections read in between.
func TestReceivedBytesStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(nil, echo)
		defer s.Close()
		d := &websocket.Dialer{URL: s.URL, NetDialContext: s.Dial}
		var conns []transport.Conn
		var got [][]byte
		for i := range 20 {
			conn, err := d.Dial(t.Context(), transport.KindSocket,
				transport.Batch{Parts: [][]byte{bytes.Repeat([]byte{byte('a' + i)}, 100)}})
			if err != nil {
				t.Fatal(err)
			}
			b, err := conn.Receive()
			if err != nil {
				t.Fatal(err)
			}
			conns, got = append(conns, conn), append(got, b.Parts[0])
		}
		for i, conn := range conns {
			if !bytes.Equal(got[i], bytes.Repeat([]byte{byte('a' + i)}, 100)) {
				t.Errorf("batch %d changed under its owner: %.10q", i, got[i])
			}
			_ = conn.Close(0, "")
		}
	})
}
