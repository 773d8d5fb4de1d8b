package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

func status(f http.HandlerFunc) int {
	w := httptest.NewRecorder()
	f(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code
}

// TestShutdownDelivers: messages sent before reach the client, both ends learn exactly which
// messages were delivered, and the code allows a new session.
func TestShutdownDelivers(t *testing.T) {
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				peers := make(chan *session.Session, 1)
				var taken atomic.Int32
				h := open(t, server.Config{OnSession: func(s *session.Session) {
					peers <- s
					s.OnMessage(func(session.Message) { taken.Add(1) })
				}})
				s := h.dial(t, nil, name)
				ctx := t.Context()
				if _, err := s.Send(ctx, session.Text("hello")); err != nil {
					t.Fatal(err)
				}
				peer := <-peers
				time.Sleep(time.Second)
				if status(h.Readyz) != 200 || status(h.Healthz) != 200 {
					t.Error("not ready before the shutdown")
				}
				const n = 200
				var last uint64
				for i := range n {
					var err error
					if last, err = peer.Send(ctx, sample(i)); err != nil {
						t.Fatal(err)
					}
				}
				start := time.Now()
				down := make(chan error, 1)
				go func() { down <- h.Shutdown(ctx) }()
				for i := range n {
					m, err := s.Receive(ctx)
					if err != nil || string(m.Data) != string(sample(i).Data) {
						t.Fatalf("message %d: %.40q, %v", i, m.Data, err)
					}
				}
				_, err := s.Receive(ctx)
				var end *session.EndError
				if !errors.As(err, &end) || end.Code != transport.CodeDraining || !end.Remote || !end.Exact ||
					end.Sent != 1 || end.Delivered != 1 {
					t.Errorf("the client ended with %v", err)
				}
				if err := <-down; err != nil {
					t.Errorf("shutdown: %v", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %v with a client that answers", took)
				}
				if e, over := peer.Ended(); !over || e.Code != transport.CodeDraining || e.Sent != last ||
					e.Delivered != last || !e.Exact || taken.Load() != 1 {
					t.Errorf("the server's end: %+v, %d taken", e, taken.Load())
				}
				if status(h.Readyz) != 503 || status(h.Healthz) != 200 {
					t.Error("ready after the shutdown")
				}
			})
		})
	}
}

// TestShutdownRefusesNewcomers: while the Server drains, a new session is refused with the time of
// the next try.
func TestShutdownRefusesNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, server.Config{OnSession: echoBack})
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.post(t, "open", openLine(1), nil); !got.refused("draining") {
			t.Errorf("answered %v", got)
		}
	})
}

// TestShutdownIsBounded: the server waits 10 s for a client that does not answer. One that comes
// back after that gets the end of its session.
func TestShutdownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := make(chan *session.Session, 1)
		h := open(t, server.Config{OnSession: func(s *session.Session) { peers <- s }})
		var last *line
		back := time.Now().Add(20 * time.Second)
		s := h.dial(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
			if last != nil && time.Now().Before(back) {
				return nil, errors.New("no network")
			}
			c, err := h.net.Dial(ctx, network, addr)
			if err == nil && last == nil {
				last = newLine(c, false)
				return last, nil
			}
			return c, err
		}, transport.WebSocket)
		for i := range 3 {
			if _, err := s.Send(t.Context(), session.Text(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		peer := <-peers
		time.Sleep(time.Second)
		if m, err := peer.Receive(t.Context()); err != nil || string(m.Data) != "0" {
			t.Fatal(err)
		}
		last.silence()
		if _, err := peer.Send(t.Context(), session.Text("lost?")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start).Round(100 * time.Millisecond); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		if e, over := peer.Ended(); !over || e.Sent != 1 || e.Delivered != 0 || e.Exact {
			t.Errorf("the server's end: %+v", e)
		}
		<-s.Done()
		if e, _ := s.Ended(); e.Code != transport.CodeDraining || e.Sent != 3 || e.Delivered != 1 || !e.Exact {
			t.Errorf("the client's end: %+v", e)
		}
	})
}

// TestShutdownWaitsForNobody: sessions whose client is gone are not awaited; those beside them are.
func TestShutdownWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := make(chan *session.Session, 2)
		h := open(t, server.Config{OnSession: func(s *session.Session) { peers <- s; echoBack(s) }})
		var only net.Conn
		gone := h.dial(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
			if only != nil {
				return nil, errors.New("no network")
			}
			c, err := h.net.Dial(ctx, network, addr)
			only = c
			return c, err
		}, transport.WebSocket)
		exchange(t, gone, 1, 0)
		ghost := <-peers
		_ = only.Close()
		here := h.dial(t, nil, transport.WebSocket)
		exchange(t, here, 3, 0)
		if ghost.Transport() != "" || here.Transport() == "" {
			t.Fatal("the wrong one is held")
		}
		start := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
		<-here.Done()
		if e, _ := here.Ended(); e.Code != transport.CodeDraining || !e.Exact || e.Delivered != 3 {
			t.Errorf("the one that is here ended with %+v", e)
		}
		_ = gone.EndWith(transport.CodeDone, "")
		<-gone.Done()
	})
}

// TestShutdownGivesUp: Shutdown returns when the context ends.
func TestShutdownGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := make(chan *session.Session, 1)
		h := open(t, server.Config{OnSession: func(s *session.Session) { peers <- s }})
		var last *line
		s := h.dial(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := h.net.Dial(ctx, network, addr)
			last = newLine(c, false)
			return last, err
		}, transport.WebSocket)
		peer := <-peers
		time.Sleep(time.Second)
		last.silence()
		if _, err := peer.Send(t.Context(), session.Text("anyone?")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		_ = s.EndWith(transport.CodeDone, "")
		<-s.Done()
	})
}
