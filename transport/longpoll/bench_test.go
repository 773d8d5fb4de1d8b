package longpoll_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/longpoll"
)

// BenchmarkExchange is one POST with 128 bytes and a reply of 128 bytes over loopback; it counts
// net/http and both sides.
func BenchmarkExchange(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := transport.ReadRequest(w, r, transport.ReadOptions{})
		if err != nil {
			b.Error(err)
			return
		}
		conn, err := longpoll.Accept(w, req, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close(0, "") }()
		if in, err := conn.Receive(); err != nil || conn.Send(in) != nil {
			b.Error(err)
		}
	}))
	defer srv.Close()
	client := transport.NewHTTPClient(transport.ClientOptions{})
	defer client.CloseIdleConnections()
	d := &longpoll.Dialer{URL: srv.URL, Client: client}
	batch := transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), append(bytes.Repeat([]byte{'x'}, 122), '\n')}}
	b.ReportAllocs()
	for b.Loop() {
		conn, err := d.Dial(b.Context(), transport.KindUp, batch)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Receive(); err != nil {
			b.Fatal(err)
		}
		_ = conn.Close(0, "")
	}
}

// nowhere is a ResponseWriter that accepts everything.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkReadRequest and BenchmarkWriteReply leave net/http out.
func BenchmarkReadRequest(b *testing.B) {
	body := []byte("holdfast/1 up abcdefghijklmnop\n@1 0\nt" + string(bytes.Repeat([]byte{'x'}, 121)) + "\n.\n")
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	in := &rewound{body: body}
	r.Body, r.ContentLength = in, int64(len(body))
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(body)
		req, err := transport.ReadRequest(w, r, transport.ReadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		req.Release()
	}
}

type rewound struct {
	bytes.Reader
	body []byte
}

func (*rewound) Close() error { return nil }

func BenchmarkWriteReply(b *testing.B) {
	batch := transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), append(bytes.Repeat([]byte{'x'}, 122), '\n')}}
	w := nowhere{http.Header{}}
	p := transport.Preamble{Kind: transport.KindUp, Nonce: "abcdefghijklmnop"}
	b.ReportAllocs()
	for b.Loop() {
		if err := transport.WriteReply(w, p, batch); err != nil {
			b.Fatal(err)
		}
	}
}
