package websocket_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/websocket"
)

type idler interface {
	transport.Conn
	Wait(limit time.Duration) bool
}

// overTCP connects gorilla's client with a server over loopback, because only a TCP connection has
// Wait.
func overTCP(t *testing.T) (client *gorilla.Conn, server idler) {
	t.Helper()
	conns := make(chan transport.Conn, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	}))
	t.Cleanup(web.Close)
	client, resp, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = client.Close() })
	server, ok := (<-conns).(idler)
	if !ok {
		t.Skip("one cannot wait so on this system")
	}
	t.Cleanup(func() { _ = server.Close(0, "") })
	return client, server
}

func receive(t *testing.T, c transport.Conn, want string) {
	t.Helper()
	b, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b.Parts[0]); got != want {
		t.Fatalf("received %d bytes %.40q, want %d %.40q", len(got), got, len(want), want)
	}
}

// TestWait: waiting takes nothing away from what is received: a message smaller than what readable
// takes, one larger than every buffer, or several at once.
func TestWait(t *testing.T) {
	client, server := overTCP(t)
	write := func(text string) {
		t.Helper()
		if err := client.WriteMessage(gorilla.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{0, 1, 7, 8, 9, 130, 290, 5000, 60000} {
		text := strings.Repeat("x", size)
		for range 3 {
			write(text)
		}
		for range 3 {
			if !server.Wait(0) {
				t.Fatal("told that nothing has come")
			}
			receive(t, server, text)
		}
	}
	if server.Wait(10 * time.Millisecond) {
		t.Fatal("told that something has come")
	}
	write("after the limit") // which is no limit for Receive
	receive(t, server, "after the limit")
	waited := make(chan bool)
	go func() { waited <- server.Wait(0) }()
	write("while it waits")
	if !<-waited {
		t.Fatal("woken, and told that nothing has come")
	}
	receive(t, server, "while it waits")
}

// TestWaitEnds: waiting ends with the connection, whoever closes it, and Receive returns why.
func TestWaitEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(client *gorilla.Conn, server transport.Conn)
		want error
	}{
		{"close frame", func(c *gorilla.Conn, _ transport.Conn) {
			_ = c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(1000, ""))
		}, io.EOF},
		{"cut", func(c *gorilla.Conn, _ transport.Conn) { _ = c.NetConn().Close() }, io.ErrUnexpectedEOF},
		{"closed here", func(_ *gorilla.Conn, s transport.Conn) { _ = s.Close(0, "") }, transport.ErrClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, server := overTCP(t)
			ended := make(chan error)
			go func() {
				server.Wait(0)
				_, err := server.Receive()
				ended <- err
			}()
			tc.end(client, server)
			if err := <-ended; !errors.Is(err, tc.want) {
				t.Fatalf("ended with %v, want %v", err, tc.want)
			}
		})
	}
}
