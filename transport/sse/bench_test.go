package sse_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/sse"
)

var batch = transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), append(bytes.Repeat([]byte{'x'}, 122), '\n')}}

// BenchmarkEvent is one event of 128 bytes over loopback; it counts both sides.
func BenchmarkEvent(b *testing.B) {
	next := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := transport.ReadRequest(w, r, transport.ReadOptions{})
		if err != nil {
			b.Error(err)
			return
		}
		conn, err := sse.Accept(w, r, req, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close(0, "") }()
		for range next {
			if err := conn.Send(batch); err != nil {
				b.Error(err)
				return
			}
		}
	}))
	defer srv.Close()
	client := transport.NewHTTPClient(transport.ClientOptions{})
	defer client.CloseIdleConnections()
	conn, err := (&sse.Dialer{URL: srv.URL, Client: client}).Dial(b.Context(), transport.KindStream, batch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		next <- struct{}{}
		if _, err := conn.Receive(); err != nil {
			b.Fatal(err)
		}
	}
	close(next)
	_ = conn.Close(0, "")
}

// nowhere is a ResponseWriter that accepts everything.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) FlushError() error           { return nil }

func (n nowhere) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkServerSend leaves net/http out.
func BenchmarkServerSend(b *testing.B) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	conn, err := sse.Accept(nowhere{http.Header{}}, r,
		&transport.Request{Kind: transport.KindStream, Nonce: transport.NoNonce}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(0, "") }()
	b.ReportAllocs()
	for b.Loop() {
		if err := conn.Send(batch); err != nil {
			b.Fatal(err)
		}
	}
}
