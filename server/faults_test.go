package server_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// line is the client end of a connection that a test can break during its use.
type line struct {
	net.Conn
	handshake bool // drop everything after the header of the answer

	mu       sync.Mutex
	silent   bool          // nothing passes, and no end gets an error
	silenced chan struct{} // closed when silent
	closed   chan struct{}
	once     sync.Once
	seen     []byte
}

func newLine(c net.Conn, handshake bool) *line {
	return &line{Conn: c, handshake: handshake, silenced: make(chan struct{}), closed: make(chan struct{})}
}

// silence makes the line a black hole.
func (l *line) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.silent {
		l.silent = true
		close(l.silenced)
	}
}

func (l *line) isSilent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent
}

func (l *line) Write(p []byte) (int, error) {
	if l.isSilent() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (l *line) Read(p []byte) (int, error) {
	if l.isSilent() {
		<-l.closed
		return 0, net.ErrClosed
	}
	n, err := l.Conn.Read(p)
	if l.isSilent() { // it came after the line became silent
		<-l.closed
		return 0, net.ErrClosed
	}
	if l.handshake {
		l.seen = append(l.seen, p[:n]...)
		if bytes.Contains(l.seen, []byte("\r\n\r\n")) {
			l.silence()
		}
	}
	return n, err
}

func (l *line) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// wires are connections that a test cuts together.
type wires struct {
	mu   sync.Mutex
	open []net.Conn
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

func (w *wires) through(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err == nil {
			w.mu.Lock()
			w.open = append(w.open, c)
			w.mu.Unlock()
		}
		return c, err
	}
}

func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		_ = c.Close()
	}
	w.open = nil
}

// TestResumeAfterCuts: every connection is cut again and again while messages go both ways; none is
// lost, duplicated or out of order.
func TestResumeAfterCuts(t *testing.T) {
	for _, names := range [][]string{{transport.WebSocket}, {transport.SSE}, {transport.LongPoll}, all} {
		t.Run(names[len(names)-1], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, server.Config{OnSession: echoBack})
				var wires wires
				dial := wires.through(h.net.Dial)
				h.web = transport.NewHTTPClient(transport.ClientOptions{DialContext: dial})
				stop := make(chan struct{})
				go func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(700 * time.Millisecond):
							wires.cut()
						}
					}
				}()
				s := h.dial(t, dial, names...)
				exchange(t, s, 600, 20*time.Millisecond)
				close(stop)
				time.Sleep(time.Second)
				if n := h.net.Dials(); n < 15 {
					t.Errorf("only %d connections: were they cut?", n)
				}
				finish(t, s)
			})
		})
	}
}

// TestBlackHole: a WebSocket that is answered 101 and then loses every frame delays the first
// message by 1.5 s at most, and the session stays on another transport.
func TestBlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, server.Config{OnSession: echoBack})
		s := h.dial(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := h.net.Dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return newLine(c, true), nil
		})
		start := time.Now()
		exchange(t, s, 1, 0)
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("the first echo took %v", took)
		}
		for range 300 { // five minutes
			if got := s.Transport(); got == transport.WebSocket || got == "" {
				t.Fatalf("after %v the session is on %q", time.Since(start), got)
			}
			time.Sleep(time.Second)
		}
		exchange(t, s, 20, 0)
		finish(t, s)
	})
}

// TestKilledYoung: if every WebSocket is cut 200 ms after its 101, nothing is lost, and the session
// stays on a fallback.
func TestKilledYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, server.Config{OnSession: echoBack})
		s := h.dial(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := h.net.Dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			time.AfterFunc(200*time.Millisecond, func() { _ = c.Close() })
			return c, nil
		})
		exchange(t, s, 200, 25*time.Millisecond)
		if got := s.Transport(); got != transport.SSE {
			t.Errorf("settled on %q, want sse", got)
		}
		finish(t, s)
	})
}

// TestSilenceIsLeft: an attachment that becomes silent with unacknowledged messages is replaced
// within 6 s, whichever side has sent them.
func TestSilenceIsLeft(t *testing.T) {
	for _, from := range []string{"client", "server"} {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				peers := make(chan *session.Session, 1)
				h := open(t, server.Config{OnSession: func(s *session.Session) { peers <- s }})
				first := make(chan *line, 100)
				s := h.dial(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := h.net.Dial(ctx, network, addr)
					if err != nil {
						return nil, err
					}
					l := newLine(c, false)
					first <- l
					return l, nil
				})
				ctx := t.Context()
				if _, err := s.Send(ctx, session.Text("hello")); err != nil {
					t.Fatal(err)
				}
				peer := <-peers
				time.Sleep(15 * time.Second)
				if _, err := peer.Receive(ctx); err != nil || s.Transport() != transport.WebSocket {
					t.Fatalf("%v over %q", err, s.Transport())
				}
				time.Sleep(time.Second)
				(<-first).silence()
				start, sender, receiver := time.Now(), s, peer
				if from == "server" {
					sender, receiver = peer, s
				}
				if _, err := sender.Send(ctx, session.Text("is anybody there?")); err != nil {
					t.Fatal(err)
				}
				m, err := receiver.Receive(ctx)
				if took := time.Since(start); err != nil || string(m.Data) != "is anybody there?" ||
					took > 6*time.Second {
					t.Errorf("%q, %v after %v", m.Data, err, took)
				}
				peer.OnMessage(func(session.Message) {}) // reads the client's close
				finish(t, s)
			})
		})
	}
}
