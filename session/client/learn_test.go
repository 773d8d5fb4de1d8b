package client_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

// mortal is a connection through a middlebox, which closes it after a silence of idle, and at the
// latest after age.
type mortal struct {
	net.Conn
	idle  time.Duration
	watch *time.Timer
}

func newMortal(c net.Conn, idle, age time.Duration) *mortal {
	m := &mortal{Conn: c, idle: idle, watch: time.AfterFunc(idle, func() { _ = c.Close() })}
	time.AfterFunc(age, func() { _ = c.Close() })
	return m
}

func (m *mortal) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.watch.Reset(m.idle)
	return n, err
}

func (m *mortal) Write(b []byte) (int, error) {
	m.watch.Reset(m.idle)
	return m.Conn.Write(b)
}

// TestLearns: the network ends every attachment in the same way. Two attachments end so; then the
// client has learned the limit, and no third one does in ten minutes (HF1-LIV-16, HF1-LIV-17).
func TestLearns(t *testing.T) {
	const never = time.Hour
	for name, c := range map[string]struct {
		transport string
		idle, age time.Duration
		talk      bool
	}{
		"idle gap of a WebSocket": {transport.WebSocket, 8 * time.Second, never, false},
		"idle gap of a stream":    {transport.SSE, 14 * time.Second, never, false},
		"age of a WebSocket":      {transport.WebSocket, never, 40 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, newServer(t, server.Config{}))
				var failures, early atomic.Int32
				start := time.Now()
				s, err := client.Dial(t.Context(), n.URL, &client.Options{
					Transports: []string{c.transport},
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						conn, err := n.Dial(ctx, network, addr)
						if err != nil {
							return nil, err
						}
						return newMortal(conn, c.idle, c.age), nil
					},
					Trace: func(step session.Trace) {
						died := step.What == "died" && step.Reason != "left"
						if died || step.What == "suspect" && step.Reason != "age" {
							failures.Add(1)
							if time.Since(start) < 2*time.Minute {
								early.Add(1)
							}
						}
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				end := time.After(10 * time.Minute)
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for done := false; !done; {
					select {
					case <-tick.C:
						if c.talk {
							sendAndReceive(t, s, "hello")
						}
					case <-end:
						done = true
					}
				}
				if failures.Load() != 2 || early.Load() != 2 {
					t.Errorf("%d attachments failed, %d of them in the first two minutes; want 2 and 2",
						failures.Load(), early.Load())
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
