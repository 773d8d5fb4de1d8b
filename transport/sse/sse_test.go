package sse_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/sse"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStream(t *testing.T) { transporttest.TestTransport(t, config()) }

func TestHTTP2(t *testing.T) {
	c := config()
	c.HTTP2 = true
	transporttest.TestTransport(t, c)
}

func config() transporttest.Config {
	return transporttest.Config{
		Kind: transport.KindStream,
		Up:   1,
		Handler: func(l transporttest.Limits, serve func(transport.Conn), refused func(error)) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				req, err := transport.ReadRequest(w, r, transport.ReadOptions{MaxBatch: l.MaxBatch})
				if err != nil {
					refused(err)
					w.WriteHeader(transport.HTTPStatus(err))
					return
				}
				conn, err := sse.Accept(w, r, req, &sse.Options{WriteTimeout: l.WriteTimeout})
				if err != nil {
					refused(err)
					return
				}
				defer func() { _ = conn.Close(0, "") }()
				serve(conn)
			})
		},
		Dialer: func(l transporttest.Limits, s *transporttest.Server, client *http.Client) transport.Dialer {
			return &sse.Dialer{URL: s.URL, Client: client, MaxBatch: l.MaxBatch}
		},
	}
}
