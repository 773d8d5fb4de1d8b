package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
)

func benchServer(b testing.TB, cfg server.Config) *httptest.Server {
	b.Helper()
	// no client answers the drain here
	cfg.Logger, cfg.Timers.CloseGrace = slog.New(slog.DiscardHandler), 10*time.Millisecond
	s, err := server.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(s)
	b.Cleanup(func() {
		_ = s.Shutdown(context.Background())
		web.CloseClientConnections()
		web.Close()
	})
	return web
}

// BenchmarkEcho is a round trip of 128 B over TCP, both ends in this process and counted together.
func BenchmarkEcho(b *testing.B) {
	for _, name := range all {
		b.Run(name, func(b *testing.B) {
			web := benchServer(b, server.Config{OnSession: echoBack})
			ctx := context.Background()
			s, err := client.Dial(ctx, web.URL, &client.Options{Transports: []string{name}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close(ctx) }()
			m := session.Message{Data: bytes.Repeat([]byte("x"), 128)}
			b.SetBytes(128)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Receive(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEchoServer is the part of the server in a round trip of 128 B over WebSocket: the other
// end is a bare socket that allocates nothing.
func BenchmarkEchoServer(b *testing.B) {
	web := benchServer(b, server.Config{OnSession: echoBack})
	s := newBareSocket(b, web.Listener.Addr().String())
	s.write([]byte("@1 0\n" + openLine(1) + "\n"))
	s.read("!opened")
	payload := append(append([]byte("t"), bytes.Repeat([]byte("x"), 128)...), '\n')
	b.SetBytes(128)
	b.ReportAllocs()
	for b.Loop() {
		s.echo(payload)
	}
}

// TestEchoAllocates allows the server 4 allocations for an echo over WebSocket: the message, its
// line in the log, and two of the WebSocket library. The race detector empties pools at random, and
// the runtime allocates too; both may add to that.
func TestEchoAllocates(t *testing.T) {
	web := benchServer(t, server.Config{OnSession: echoBack})
	s := newBareSocket(t, web.Listener.Addr().String())
	s.write([]byte("@1 0\n" + openLine(1) + "\n"))
	s.read("!opened")
	payload := append(append([]byte("t"), bytes.Repeat([]byte("x"), 128)...), '\n')
	maxAllocs := 4.0
	if raceEnabled {
		maxAllocs = 8
	}
	if got := testing.AllocsPerRun(2000, func() { s.echo(payload) }); got > maxAllocs {
		t.Errorf("%v allocations, at most %v are allowed", got, maxAllocs)
	}
}

// bareSocket is a WebSocket client that allocates nothing.
type bareSocket struct {
	b        testing.TB
	conn     net.Conn
	in       *bufio.Reader
	out      []byte
	frame    []byte
	sent     uint64
	received uint64
}

func newBareSocket(b testing.TB, addr string) *bareSocket {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	s := &bareSocket{
		b: b, conn: conn, in: bufio.NewReader(conn), out: make([]byte, 0, 4096), frame: make([]byte, 0, 70_000),
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.Fatal(resp, err)
	}
	return s
}

// write sends a text frame, masked with zeros.
func (s *bareSocket) write(p []byte) {
	s.out = append(s.out[:0], 0x81)
	if len(p) < 126 {
		s.out = append(s.out, 0x80|byte(len(p)))
	} else {
		s.out = append(s.out, 0x80|126)
		s.out = binary.BigEndian.AppendUint16(s.out, uint16(len(p)))
	}
	s.out = append(append(s.out, 0, 0, 0, 0), p...)
	if _, err := s.conn.Write(s.out); err != nil {
		s.b.Fatal(err)
	}
}

// read reads frames until one contains want, and counts the lines of text.
func (s *bareSocket) read(want string) {
	for {
		head, err := s.in.Peek(4)
		if err != nil {
			s.b.Fatal(err)
		}
		n, skip := int(head[1]), 2
		if n == 126 {
			n, skip = int(binary.BigEndian.Uint16(head[2:])), 4
		}
		_, _ = s.in.Discard(skip)
		s.frame = s.frame[:n]
		if _, err := io.ReadFull(s.in, s.frame); err != nil {
			s.b.Fatal(err)
		}
		for line := range bytes.Lines(s.frame) {
			if line[0] == 't' {
				s.received++
			}
		}
		if bytes.Contains(s.frame, []byte(want)) {
			return
		}
	}
}

// echo sends a line and reads frames until its echo comes.
func (s *bareSocket) echo(line []byte) {
	s.sent++
	s.frame = strconv.AppendUint(append(s.frame[:0], '@'), s.sent, 10)
	s.frame = strconv.AppendUint(append(s.frame, ' '), s.received, 10)
	s.frame = append(append(s.frame, '\n'), line...)
	s.write(s.frame)
	for want := s.sent; s.received < want; {
		s.read("")
	}
}

// BenchmarkBroadcast is one message of 128 B appended to the logs of 100 sessions on WebSockets,
// per session.
func BenchmarkBroadcast(b *testing.B) {
	sessions := make(chan *session.Session, 100)
	web := benchServer(b, server.Config{OnSession: func(s *session.Session) { sessions <- s }})
	ctx := context.Background()
	var list []*session.Session
	for range cap(sessions) {
		c, err := client.Dial(ctx, web.URL, &client.Options{Transports: []string{"websocket"}})
		if err != nil {
			b.Fatal(err)
		}
		c.OnMessage(func(session.Message) {})
		defer func() { _ = c.EndWith(4100, "") }()
		list = append(list, <-sessions)
	}
	m := session.Message{Data: bytes.Repeat([]byte("x"), 128)}
	b.SetBytes(128)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := list[i%len(list)].Send(ctx, m); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
