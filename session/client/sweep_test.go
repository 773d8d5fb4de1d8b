package client_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/longpoll"
	"github.com/holdfast-rt/holdfast/transport/sse"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
	ws "github.com/holdfast-rt/holdfast/transport/websocket"
)

// The default keeps `go test` quick, also with the race detector. `task sim` cuts after every byte.
var (
	sweepStep = flag.Int64("sweep.step", 101, "cut after every n-th byte")
	sweepTLS  = flag.Int64("sweep.tlsstep", 101, "the same over TLS, where what can speaks HTTP/2; 0: not at all")
)

// endpoint serves a Registry and nothing else.
type endpoint struct {
	registry *session.Registry
	mu       sync.Mutex
	shut     bool // WebSockets are refused
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := &session.Peer{Header: r.Header, OriginOK: true}
	if websocket.IsWebSocketUpgrade(r) {
		e.mu.Lock()
		shut := e.shut
		e.mu.Unlock()
		if shut {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if conn, err := ws.Accept(w, r, &ws.Options{}); err == nil {
			go e.registry.Serve(context.Background(), conn, who)
		}
		return
	}
	req, err := transport.ReadRequest(w, r, transport.ReadOptions{})
	if err != nil {
		w.WriteHeader(transport.HTTPStatus(err))
		return
	}
	var conn transport.Conn
	if req.Kind == transport.KindStream {
		conn, err = sse.Accept(w, r, req, nil)
	} else {
		conn, err = longpoll.Accept(w, req, nil)
	}
	if err == nil {
		e.registry.Serve(r.Context(), conn, who)
	}
}

// cutting is a network in which one connection is cut at one byte.
type cutting struct {
	*transporttest.Server
	mu    sync.Mutex
	count []*counted
}

// counted is a connection whose bytes are counted.
type counted struct {
	net.Conn
	mu       sync.Mutex
	up, down int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.up += int64(n)
	c.mu.Unlock()
	return n, err
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.down += int64(n)
	c.mu.Unlock()
	return n, err
}

func (n *cutting) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := n.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &counted{Conn: conn}
	n.mu.Lock()
	n.count = append(n.count, c)
	n.mu.Unlock()
	return c, nil
}

// cutAll ends every connection, as a change of network does.
func (n *cutting) cutAll() {
	n.mu.Lock()
	all := n.count
	n.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// run is one session over such a network.
type run struct {
	t      *testing.T
	net    *cutting
	end    *endpoint
	client *session.Session
	server chan *session.Session
}

// procedure is something a session does while it is cut.
type procedure struct {
	name       string
	transports []string
	first      transporttest.Faults // of the first connection, when it is not the one that is cut
	shut       bool                 // WebSockets are refused at first
	tls        bool                 // over TLS, with HTTP/2
	do         func(r *run)
}

// sweepBound is virtual time. It is far more than any cut may take, while a lost message would
// never arrive.
const sweepBound = 100 * time.Second

// send sends messages, and gives up at the bound.
func (r *run) send(s *session.Session, messages ...session.Message) {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), sweepBound)
	defer stop()
	for _, m := range messages {
		if _, err := s.Send(ctx, m); err != nil {
			r.t.Errorf("send: %v", err)
		}
	}
}

// want receives exactly these messages (I1, I7).
func (r *run) want(s *session.Session, messages ...session.Message) {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), sweepBound)
	defer stop()
	for i, want := range messages {
		got, err := s.Receive(ctx)
		if err != nil || got.Binary != want.Binary || !bytes.Equal(got.Data, want.Data) {
			r.t.Errorf("message %d of %d is %.40q (%v), want %.40q", i, len(messages), got.Data, err, want.Data)
			return
		}
	}
}

// close ends the session from one end. The client must learn that everything was delivered
// (HF1-CLO-05).
func (r *run) close(by *session.Session) {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), sweepBound)
	defer stop()
	if err := by.Close(ctx); err != nil {
		r.t.Errorf("close: %v", err)
		return
	}
	_, err := r.client.Receive(ctx)
	if err == nil {
		r.t.Error("the client received a message after the last one")
		return
	}
	end := new(session.EndError)
	if !errors.As(err, &end) || end.Code != transport.CodeDone || end.Delivered != end.Sent || !end.Exact {
		r.t.Errorf("the client's session ended with %v", err)
	}
}

// serverEnd is the session at the server: one for each key (HF1-WHO-04).
func (r *run) serverEnd() *session.Session {
	r.t.Helper()
	select {
	case s := <-r.server:
		return s
	case <-time.After(sweepBound):
		r.t.Error("no session at the server")
		return nil
	}
}

var (
	ups = []session.Message{
		session.Text("one\n\\two\r"), session.Text(""), session.Binary([]byte{0, 255, 10}), session.Text("naïve 🦭"),
	}
	downs = []session.Message{session.Binary(nil), session.Text("eins"), session.Text("zwei\u2028")}
	large = []session.Message{
		session.Text(strings.Repeat("large ", 300)), session.Binary(bytes.Repeat([]byte{1, 2, 3}, 400)),
	}
)

func exchange(r *run, up, down []session.Message) *session.Session {
	go r.send(r.client, up...)
	s := r.serverEnd()
	if s == nil {
		return nil
	}
	go r.send(s, down...)
	r.want(s, up...)
	r.want(r.client, down...)
	return s
}

func procedures() (all []procedure) {
	for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
		only := []string{name}
		all = append(all,
			procedure{name: name + "/open", transports: only, do: func(r *run) {
				if s := r.serverEndAfterOpen(); s != nil {
					r.close(r.client)
				}
			}},
			procedure{name: name + "/send", transports: only, do: func(r *run) {
				if exchange(r, ups, downs) != nil {
					r.close(r.client)
				}
			}},
			procedure{name: name + "/large message", transports: only, do: func(r *run) {
				if exchange(r, large[:1], large[1:]) != nil {
					r.close(r.client)
				}
			}},
			procedure{name: name + "/resume", transports: only, do: func(r *run) {
				s := exchange(r, ups[:1], downs[:1])
				if s == nil {
					return
				}
				r.net.cutAll()
				go r.send(r.client, ups[1:]...)
				go r.send(s, downs[1:]...)
				r.want(s, ups[1:]...)
				r.want(r.client, downs[1:]...)
				r.close(r.client)
			}},
			procedure{name: name + "/close by the server", transports: only, do: func(r *run) {
				if s := exchange(r, ups[:1], downs[:1]); s != nil {
					r.close(s)
				}
			}},
		)
	}
	both := []string{transport.WebSocket, transport.LongPoll}
	slow := transporttest.Faults{Up: transporttest.Fault{Delay: 400 * time.Millisecond}}
	all = append(all,
		procedure{name: "raced open", transports: both, first: slow, do: func(r *run) {
			if exchange(r, ups[:1], downs[:1]) != nil {
				r.close(r.client)
			}
		}},
		procedure{name: "poll", transports: []string{transport.LongPoll}, do: func(r *run) {
			s := r.serverEndAfterOpen()
			if s == nil {
				return
			}
			for i := range 3 { // each answers a poll that hangs
				time.Sleep(500 * time.Millisecond)
				r.send(s, downs[i])
				r.want(r.client, downs[i])
			}
			time.Sleep(25 * time.Second) // one is answered empty
			r.send(s, downs[0])
			r.want(r.client, downs[0])
			r.close(r.client)
		}},
		procedure{name: "standby to use", transports: both, shut: true, do: func(r *run) {
			s := r.serverEndAfterOpen()
			if s == nil {
				return
			}
			r.end.mu.Lock()
			r.end.shut = false
			r.end.mu.Unlock()
			for range 4 { // the WebSocket's cooldown is 20 s, and it is validated 10 s later
				time.Sleep(9 * time.Second)
				go r.send(r.client, ups[0])
				go r.send(s, downs[1])
				r.want(s, ups[0])
				r.want(r.client, downs[1])
			}
			r.close(r.client)
		}},
	)
	return all
}

func (r *run) serverEndAfterOpen() *session.Session {
	s := r.serverEnd()
	if s != nil {
		r.send(r.client, session.Text("up"))
		r.want(s, session.Text("up"))
	}
	return s
}

// run runs the procedure over a network in which connection conn has the fault f. It returns the
// bytes that each connection carried. how describes the fault for the log.
func (p *procedure) run(t *testing.T, conn int, f transporttest.Faults, how string) (bytes [][2]int64) {
	synctest.Test(t, func(t *testing.T) { // when it fails, the test around it ends too
		defer func() {
			if t.Failed() {
				t.Log(how)
			}
		}()
		r := &run{t: t, server: make(chan *session.Session, 8)}
		r.end = &endpoint{shut: p.shut, registry: session.NewRegistry(session.RegistryConfig{
			OnSession: func(s *session.Session) { r.server <- s },
		})}
		serve, o := transporttest.NewServer, &client.Options{Transports: p.transports}
		if p.tls {
			serve, o.TLSClientConfig = transporttest.NewTLSServer, transporttest.ClientTLS()
		}
		r.net = &cutting{Server: serve(r.end)}
		o.DialContext = r.net.dial
		r.net.Faults = func(n int) transporttest.Faults {
			switch n {
			case conn:
				f := f
				if n == 0 {
					f.Up.Delay = p.first.Up.Delay
				}
				return f
			case 0:
				return p.first
			}
			return transporttest.Faults{}
		}
		var err error
		r.client, err = client.Start(r.net.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		p.do(r)
		if t.Failed() {
			_ = r.client.EndWith(transport.CodeDone, "")
		}
		time.Sleep(5 * time.Minute) // longer than any delay and than ttl
		if n := r.end.registry.Len(); n != 0 {
			t.Errorf("I6: %d sessions are left at the server", n)
		}
		select {
		case s := <-r.server:
			if s.Transport() != "" {
				t.Error("WHO-04: there is a second session for the key")
			}
		default:
		}
		r.net.mu.Lock()
		defer r.net.mu.Unlock()
		for _, c := range r.net.count {
			c.mu.Lock()
			bytes = append(bytes, [2]int64{c.up, c.down})
			c.mu.Unlock()
		}
		r.net.Close()
	})
	return bytes
}

// ends are the ways in which a connection can end. A cut is tried after every byte. For the others
// the exact byte matters less, so some are enough.
var ends = []struct {
	name   string
	action transporttest.Action
	step   int64
}{{"cut", transporttest.Cut, 1}, {"ended", transporttest.End, 7}, {"black hole", transporttest.Hole, 7}}

// TestKillSweep cuts each connection of each procedure after each of its bytes, in each direction.
// All that was sent arrives, once and in order, within the bound. Both ends know what was
// delivered, and nothing is left at the server (I1, I2, I6, I7).
func TestKillSweep(t *testing.T) {
	for _, p := range procedures() {
		t.Run(p.name, func(t *testing.T) { t.Parallel(); p.sweep(t, *sweepStep) })
	}
}

// TestKillSweepTLS is the same over TLS and HTTP/2, where one connection carries all requests.
func TestKillSweepTLS(t *testing.T) {
	if *sweepTLS == 0 {
		t.Skip("-sweep.tlsstep=0")
	}
	for _, p := range procedures() {
		p.tls = true
		t.Run(p.name, func(t *testing.T) { t.Parallel(); p.sweep(t, *sweepTLS) })
	}
}

func (p *procedure) sweep(t *testing.T, step int64) {
	runs := 0
	whole := p.run(t, -1, transporttest.Faults{}, "nothing was cut")
	for conn, total := range whole {
		for _, end := range ends {
			for dir, name := range []string{"up", "down"} {
				for n := int64(0); n < total[dir]; n += end.step * step {
					fault := transporttest.Fault{Action: end.action, After: n}
					f := transporttest.Faults{Up: fault}
					if dir == 1 {
						f = transporttest.Faults{Down: fault}
					}
					p.run(t, conn, f, fmt.Sprintf("connection %d: %s %s after %d of %d bytes",
						conn, end.name, name, n, total[dir]))
					runs++
				}
			}
		}
	}
	t.Log(fmt.Sprint(runs, " cuts on connections of ", whole, " bytes"))
}
