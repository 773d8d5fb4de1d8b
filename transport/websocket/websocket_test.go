package websocket_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
	"github.com/holdfast-rt/holdfast/transport/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSocket(t *testing.T) {
	transporttest.TestTransport(t, transporttest.Config{
		Kind: transport.KindSocket,
		Handler: func(l transporttest.Limits, serve func(transport.Conn), refused func(error)) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r,
					&websocket.Options{MaxBatch: l.MaxBatch, WriteTimeout: l.WriteTimeout})
				if err != nil {
					refused(err)
					w.WriteHeader(transport.HTTPStatus(err))
					return
				}
				go func() {
					defer func() { _ = conn.Close(0, "") }()
					serve(conn)
				}()
			})
		},
		Dialer: func(l transporttest.Limits, s *transporttest.Server, _ *http.Client) transport.Dialer {
			return &websocket.Dialer{
				URL: s.URL, NetDialContext: s.Dial, MaxBatch: l.MaxBatch, WriteTimeout: l.WriteTimeout,
			}
		},
	})
}
