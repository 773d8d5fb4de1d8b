package client_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

// forgetful is a network whose connections can be forgotten, as a NAT does: they take everything,
// and nothing comes any more.
type forgetful struct {
	*transporttest.Server
	mu    sync.Mutex
	conns []*forgotten
}

type forgotten struct {
	net.Conn
	dead chan struct{}
}

func (n *forgetful) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := n.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &forgotten{conn, make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, c)
	return c, nil
}

func (n *forgetful) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		close(c.dead)
	}
	n.conns = nil
}

func (c *forgotten) isDead() bool {
	select {
	case <-c.dead:
		return true
	default:
		return false
	}
}

func (c *forgotten) Write(p []byte) (int, error) {
	if c.isDead() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *forgotten) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.isDead() {
			return n, err
		}
	}
}

// TestForgottenConnectionIsLeft: a connection that died without a sign is found as fast over HTTP/2,
// where one carries all requests, as over HTTP/1.1.
func TestForgottenConnectionIsLeft(t *testing.T) {
	for _, name := range []string{transport.SSE, transport.LongPoll} {
		for version, protocols := range map[string]func(*http.Protocols){
			"1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
			"2":   func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
		} {
			t.Run(name+"/"+version, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := make(chan string, 10)
					s := newServer(t, server.Config{OnSession: func(s *session.Session) {
						s.OnMessage(func(m session.Message) { got <- string(m.Data) })
					}})
					serve := transporttest.NewServer
					if version == "2" {
						serve = transporttest.NewHTTP2Server
					}
					n := &forgetful{Server: serve(s)}
					t.Cleanup(n.Close)
					p := new(http.Protocols)
					protocols(p)
					web := &http.Client{Transport: &http.Transport{DialContext: n.dial, Protocols: p}}
					o := &client.Options{Transports: []string{name}, HTTPClient: web}
					c, err := client.Dial(t.Context(), n.URL, o)
					if err != nil {
						t.Fatal(err)
					}
					for range 3 { // an attach anew must not be the last
						time.Sleep(45 * time.Second)
						n.forget()
						start := time.Now()
						if _, err := c.Send(t.Context(), session.Text("x")); err != nil {
							t.Fatal(err)
						}
						select {
						case <-got:
						case <-time.After(time.Minute):
						}
						if took := time.Since(start); took > 2500*time.Millisecond {
							t.Errorf("delivered after %v", took)
						}
					}
					if err := c.Close(t.Context()); err != nil {
						t.Error(err)
					}
					time.Sleep(5 * time.Minute)
				})
			})
		}
	}
}
