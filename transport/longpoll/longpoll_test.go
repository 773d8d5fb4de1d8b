package longpoll_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/longpoll"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(kind transport.Kind) transporttest.Config {
	return transporttest.Config{
		Kind: kind,
		Up:   1,
		Down: 1,
		Handler: func(l transporttest.Limits, serve func(transport.Conn), refused func(error)) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				req, err := transport.ReadRequest(w, r, transport.ReadOptions{MaxBatch: l.MaxBatch})
				if err == nil {
					var conn transport.Conn
					if conn, err = longpoll.Accept(w, req,
						&longpoll.Options{WriteTimeout: l.WriteTimeout}); err == nil {
						defer func() { _ = conn.Close(0, "") }()
						serve(conn)
						return
					}
				}
				refused(err)
				w.WriteHeader(transport.HTTPStatus(err))
			})
		},
		Dialer: func(l transporttest.Limits, s *transporttest.Server, client *http.Client) transport.Dialer {
			return &longpoll.Dialer{URL: s.URL, Client: client, MaxBatch: l.MaxBatch}
		},
	}
}

func TestOpen(t *testing.T) { transporttest.TestTransport(t, config(transport.KindOpen)) }
func TestPoll(t *testing.T) { transporttest.TestTransport(t, config(transport.KindPoll)) }

func TestHTTP2(t *testing.T) {
	c := config(transport.KindUp)
	c.HTTP2 = true
	transporttest.TestTransport(t, c)
}
func TestUp(t *testing.T) { transporttest.TestTransport(t, config(transport.KindUp)) }
