package websocket_test

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/websocket"
)

// endless is a connection that returns the same masked frame for ever and accepts every write.
type endless struct {
	net.Conn
	frame, rest []byte
	written     int
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		e.rest = e.frame
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *endless) Write(p []byte) (int, error)      { e.written += len(p); return len(p), nil }
func (e *endless) Close() error                     { return nil }
func (e *endless) SetDeadline(time.Time) error      { return nil }
func (e *endless) SetReadDeadline(time.Time) error  { return nil }
func (e *endless) SetWriteDeadline(time.Time) error { return nil }

// hijacked is a ResponseWriter whose connection is an endless one.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(bytes.NewReader(nil)), bufio.NewWriter(h.conn)), nil
}

// accepted is the server's end of a WebSocket that receives batches of 128 bytes without end.
func accepted(tb testing.TB) transport.Conn {
	tb.Helper()
	payload := []byte("@1 0\nt" + string(bytes.Repeat([]byte{'x'}, 121)) + "\n")
	// a mask of zeroes alters nothing
	frame := append([]byte{0x81, 0x80 | 126, 0, byte(len(payload)), 0, 0, 0, 0}, payload...)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
	} {
		r.Header.Set(k, v)
	}
	conn, err := websocket.Accept(hijacked{httptest.NewRecorder(), &endless{frame: frame}}, r, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return conn
}

func BenchmarkServerReceive(b *testing.B) {
	conn := accepted(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Receive(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServerSend(b *testing.B) {
	line := append(bytes.Repeat([]byte{'x'}, 122), '\n')
	big := bytes.Repeat(line, 400)
	for _, bc := range []struct {
		name  string
		batch transport.Batch
	}{
		{"one part", transport.Batch{Parts: [][]byte{line}}},
		{"head and line", transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), line}}},
		{
			"head and 40 lines",
			transport.Batch{Parts: append([][]byte{[]byte("@1 0\n")},
				bytes.SplitAfter(big[:40*len(line)], []byte{'\n'})...)},
		},
		{"head and 48 KiB", transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), big}}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			conn := accepted(b)
			b.ReportAllocs()
			b.SetBytes(int64(bc.batch.Len()))
			for b.Loop() {
				if err := conn.Send(bc.batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkServerEcho is what a server does for one message of 128 bytes.
func BenchmarkServerEcho(b *testing.B) {
	conn := accepted(b)
	head := []byte("@1 0\n")
	b.ReportAllocs()
	for b.Loop() {
		in, err := conn.Receive()
		if err != nil {
			b.Fatal(err)
		}
		parts := [2][]byte{head, in.Parts[0][len(head):]}
		if err := conn.Send(transport.Batch{Parts: parts[:]}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEcho goes over loopback and counts both sides.
func BenchmarkEcho(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		go echo(conn)
	}))
	defer srv.Close()
	batch := transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), append(bytes.Repeat([]byte{'x'}, 122), '\n')}}
	conn, err := (&websocket.Dialer{URL: srv.URL}).Dial(b.Context(), transport.KindSocket, batch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Receive(); err != nil {
			b.Fatal(err)
		}
		if err := conn.Send(batch); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.Close(0, "")
}
