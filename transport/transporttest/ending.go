package transporttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

var hello = text("@1 0", "thello")

// testExhausted: a Conn returns ErrClosed after its last batch, and after Close.
func testExhausted(t *testing.T, c Config) {
	bubble(t, "both sides", func(t *testing.T) {
		f := c.start(setup{}, func(conn transport.Conn) {
			_, _ = conn.Receive()
			for range max(c.Down, 1) {
				_ = conn.Send(hello)
			}
			if err := conn.Send(hello); c.Down > 0 && !errors.Is(err, transport.ErrClosed) {
				t.Errorf("server sends one batch too many: %v", err)
			}
			closedConn(t, "server", conn)
		})
		defer f.stop()
		conn := f.mustDial(t, hello)
		if err := conn.Send(hello); c.Up > 0 && !errors.Is(err, transport.ErrClosed) {
			t.Errorf("client sends one batch too many: %v", err)
		}
		if conn.Kind() != c.Kind {
			t.Errorf("kind %q, want %q", conn.Kind(), c.Kind)
		}
		closedConn(t, "client", conn)
	})
}

func closedConn(t *testing.T, side string, conn transport.Conn) {
	for range 2 {
		if err := conn.Close(transport.CodeDetached, "no longer wanted"); err != nil {
			t.Errorf("%s closes: %v", side, err)
		}
	}
	if err := conn.Send(hello); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("%s sends after close: %v", side, err)
	}
	for range 2000 { // gorilla/websocket panics after a thousand
		if _, err := conn.Receive(); !errors.Is(err, transport.ErrClosed) {
			t.Fatalf("%s receives after close: %v", side, err)
		}
	}
}

// endsAs reports whether a Conn that the peer closed ended as it should: with the code, if the
// transport can send one.
func endsAs(c Config, err error, code transport.Code, reason string) bool {
	if c.Kind != transport.KindSocket {
		return errors.Is(err, io.EOF)
	}
	var end *transport.CloseError
	return errors.As(err, &end) && end.Code == code && strings.HasPrefix(reason, end.Reason) &&
		len(end.Reason) > 100 == (len(reason) > 100)
}

func testCloseByServer(t *testing.T, c Config) {
	reason := strings.Repeat("ü", 80) // more than a close frame holds, cut between two characters
	bubble(t, "after a batch", func(t *testing.T) {
		f := c.start(setup{}, func(conn transport.Conn) {
			_, _ = conn.Receive()
			_ = conn.Send(hello)
			_ = conn.Close(transport.CodeSuperseded, reason)
		})
		defer f.stop()
		conn := f.mustDial(t, hello)
		if _, err := conn.Receive(); err != nil {
			t.Errorf("receive: %v", err)
		}
		for range 2 {
			if _, err := conn.Receive(); !endsAs(c, err, transport.CodeSuperseded, reason) {
				t.Errorf("receive after the server's close: %v", err)
			}
		}
		_ = conn.Close(0, "")
	})
	bubble(t, "before any batch", func(t *testing.T) {
		o := c.run(setup{}, []transport.Batch{hello}, nil)
		if c.Kind == transport.KindSocket && !errors.Is(o.downErr, io.EOF) ||
			c.Kind != transport.KindSocket && !fault(o.downErr) {
			t.Errorf("client: %v", o.downErr)
		}
	})
}

func testCloseByClient(t *testing.T, c Config) {
	if c.Down == 1 {
		t.Skip("a reply ends by itself")
	}
	bubble(t, "idle", func(t *testing.T) {
		ended := make(chan error, 1)
		f := c.start(setup{}, func(conn transport.Conn) {
			var err error
			for err == nil {
				_, err = conn.Receive()
			}
			ended <- err
		})
		defer f.stop()
		conn := f.mustDial(t, hello)
		time.Sleep(time.Hour) // an idle Conn has no time limit
		select {
		case err := <-ended:
			t.Fatalf("ended while idle: %v", err)
		default:
		}
		start := time.Now()
		_ = conn.Close(transport.CodeDetached, "bye")
		if err := <-ended; !endsAs(c, err, transport.CodeDetached, "bye") {
			t.Errorf("server's receive: %v", err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("seen after %v", d)
		}
	})
}

// heldBack is a server that has sent the answer's header and no more.
func heldBack(c Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type",
			map[bool]string{true: "text/event-stream", false: "text/plain"}[c.Kind == transport.KindStream])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

func testCloseUnblocksReceive(t *testing.T, c Config) {
	bubble(t, "client", func(t *testing.T) {
		var s setup
		if c.Kind != transport.KindSocket {
			s.handler = heldBack(c)
		}
		f := c.start(s, func(conn transport.Conn) {
			for err := error(nil); err == nil; {
				_, err = conn.Receive()
			}
		})
		defer f.stop()
		unblocks(t, f.mustDial(t, hello))
	})
	if c.Up == 1 && c.Down == 1 {
		return // the server's Receive does not wait
	}
	bubble(t, "server", func(t *testing.T) {
		f := c.start(setup{}, func(conn transport.Conn) {
			_, _ = conn.Receive()
			unblocks(t, conn)
		})
		defer f.stop()
		conn := f.mustDial(t, hello)
		for err := error(nil); err == nil; {
			_, err = conn.Receive()
		}
	})
}

// unblocks closes conn during a Receive, and expects the Receive to end at once.
func unblocks(t *testing.T, conn transport.Conn) {
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Receive()
		ended <- err
	}()
	synctest.Wait()
	start := time.Now()
	if err := conn.Close(0, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-ended; !errors.Is(err, transport.ErrClosed) || time.Since(start) > time.Second {
		t.Errorf("receive ended after %v: %v", time.Since(start), err)
	}
}

// floods sends until it fails.
func floods(conn transport.Conn) (err error) {
	b := sized(10_000)
	for err == nil {
		err = conn.Send(b)
	}
	return err
}

// sides runs f with a Conn of each side that can send any number of batches, while the other side
// does not read.
func sides(t *testing.T, c Config, f func(t *testing.T, conn transport.Conn)) {
	if c.Down == 0 {
		bubble(t, "server", func(t *testing.T) {
			done := make(chan struct{})
			x := c.start(setup{}, func(conn transport.Conn) {
				defer close(done)
				_, _ = conn.Receive()
				f(t, conn)
			})
			defer x.stop()
			conn := x.mustDial(t, hello)
			<-done
			_ = conn.Close(0, "")
		})
	}
	if c.Up == 0 {
		bubble(t, "client", func(t *testing.T) {
			done := make(chan struct{})
			x := c.start(setup{}, func(transport.Conn) { <-done })
			defer x.stop()
			f(t, x.mustDial(t, hello))
			close(done)
		})
	}
}

func testPeerDoesNotRead(t *testing.T, c Config) {
	sides(t, c, func(t *testing.T, conn transport.Conn) {
		start := time.Now()
		err := floods(conn)
		if took := time.Since(start); errors.Is(err, transport.ErrClosed) || took != 30*time.Second {
			t.Errorf("send gave up after %v: %v", took, err)
		}
		if err := conn.Send(hello); err == nil {
			t.Error("send succeeds after one that was cut short")
		}
		start = time.Now()
		_ = conn.Close(0, "")
		if took := time.Since(start); took > time.Second {
			t.Errorf("close took %v", took)
		}
	})
}

func testCloseUnblocksSend(t *testing.T, c Config) {
	sides(t, c, func(t *testing.T, conn transport.Conn) {
		ended := make(chan error, 1)
		go func() { ended <- floods(conn) }()
		synctest.Wait()
		start := time.Now()
		_ = conn.Close(transport.CodeIdle, "")
		// Close does not wait behind the writer
		if err := <-ended; !errors.Is(err, transport.ErrClosed) || time.Since(start) != 0 {
			t.Errorf("send ended after %v: %v", time.Since(start), err)
		}
	})
}

// testCloseAtOnce closes from several goroutines, each side after some batches, while both send and
// receive.
func testCloseAtOnce(t *testing.T, c Config) {
	both := func(conn transport.Conn, n int) {
		var all sync.WaitGroup
		enough := make(chan struct{})
		all.Go(func() {
			for i := 0; ; i++ {
				if i == n {
					close(enough)
				}
				if conn.Send(hello) != nil {
					if i < n {
						close(enough)
					}
					return
				}
			}
		})
		all.Go(func() {
			for err := error(nil); err == nil; {
				_, err = conn.Receive()
			}
		})
		for range 3 {
			all.Go(func() {
				<-enough
				_ = conn.Close(transport.CodeDetached, "")
			})
		}
		all.Wait()
	}
	for _, n := range []struct{ client, server int }{{0, 0}, {0, 20}, {20, 0}, {1, 1}, {5, 5}, {50, 50}, {1000, 50}} {
		bubble(t, fmt.Sprint(n), func(t *testing.T) {
			f := c.start(setup{}, func(conn transport.Conn) { both(conn, n.server) })
			defer f.stop()
			if conn, err := f.dial(hello); err == nil {
				both(conn, n.client)
			}
		})
	}
}

func testDialGivesUp(t *testing.T, c Config) {
	for _, tc := range []struct {
		name string
		f    Faults
	}{
		{"nothing gets through", Faults{Up: Fault{Action: Hole}}},
		{"nothing comes back", Faults{Down: Fault{Action: Hole}}},
		{"the header breaks off", Faults{Down: Fault{Action: Hole, After: 10}}},
	} {
		for _, cause := range []error{context.DeadlineExceeded, context.Canceled} {
			bubble(t, tc.name+", "+cause.Error(), func(t *testing.T) {
				f := c.start(setup{faults: tc.f}, func(conn transport.Conn) {
					_, _ = conn.Receive()
					_ = conn.Send(hello)
					_, _ = conn.Receive()
				})
				defer f.stop()
				ctx, cancel := context.WithCancel(context.Background())
				if errors.Is(cause, context.DeadlineExceeded) {
					ctx, cancel = context.WithTimeout(ctx, 3*time.Second)
				} else {
					time.AfterFunc(3*time.Second, cancel)
				}
				defer cancel()
				start := time.Now()
				conn, err := f.dialer.Dial(ctx, c.Kind, hello)
				if conn != nil || !errors.Is(err, cause) || time.Since(start) != 3*time.Second {
					t.Errorf("dial: %v, %v after %v, want %v after 3 s", conn, err, time.Since(start), cause)
				}
			})
		}
	}
}
