package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// Config is what [TestTransport] needs to know about a transport.
type Config struct {
	// Kind is what is dialled.
	Kind transport.Kind
	// Up and Down are how many batches one Conn carries each way; 0 is any number.
	Up, Down int
	// HTTP2 uses HTTP/2 between the two.
	HTTP2 bool
	// Handler is the server. It calls serve with each Conn and closes it afterwards. It answers a
	// request that it cannot accept, and calls refused with the error.
	Handler func(l Limits, serve func(transport.Conn), refused func(error)) http.Handler
	// Dialer is the client. It reaches s with client, or with s.Dial.
	Dialer func(l Limits, s *Server, client *http.Client) transport.Dialer
}

// Limits are those of both sides.
type Limits struct {
	MaxBatch     int
	WriteTimeout time.Duration
}

// TestTransport checks what [transport.Conn] and [transport.Dialer] promise. Each case runs in its
// own synctest bubble: a goroutine that stays after its Conn is closed, or a wait without end,
// fails the test.
func TestTransport(t *testing.T, c Config) {
	for _, tc := range []struct {
		name string
		run  func(*testing.T, Config)
	}{
		{"Order", testOrder},
		{"Sizes", testSizes},
		{"TooLarge", testTooLarge},
		{"Unicode", testUnicode},
		{"Binary", testBinary},
		{"Rewritten", testRewritten},
		{"Garbled", testGarbled},
		{"Exhausted", testExhausted},
		{"CloseByServer", testCloseByServer},
		{"CloseByClient", testCloseByClient},
		{"CloseUnblocksReceive", testCloseUnblocksReceive},
		{"CloseUnblocksSend", testCloseUnblocksSend},
		{"CloseAtOnce", testCloseAtOnce},
		{"PeerDoesNotRead", testPeerDoesNotRead},
		{"DialGivesUp", testDialGivesUp},
		{"NotHoldfast", testNotHoldfast},
		{"CutAtEveryByte", testCutAtEveryByte},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, c) })
	}
}

// fixture is a server and a client of it.
type fixture struct {
	server, front *Server // front is the middlebox's, or server itself
	boxClient     *http.Client
	client        *http.Client
	dialer        transport.Dialer
	kind          transport.Kind
	refused       chan error
}

// setup is what is special in one case.
type setup struct {
	limits   Limits
	faults   Faults
	up, down func([]byte) []byte // a middlebox, if one is set
	handler  http.Handler        // in place of the transport's
}

// start runs serve for each Conn accepted. stop must be called at the end of the bubble.
func (c Config) start(s setup, serve func(transport.Conn)) *fixture {
	f := &fixture{kind: c.Kind, refused: make(chan error, 16)}
	h := s.handler
	if h == nil {
		h = c.Handler(s.limits, serve, func(err error) { f.refused <- err })
	}
	f.server = c.newServer(h)
	f.front = f.server
	if s.up != nil || s.down != nil {
		f.boxClient = f.server.Client()
		f.front = c.newServer(&Middlebox{Target: f.server, Client: f.boxClient, Up: s.up, Down: s.down})
	}
	f.front.Faults = func(int) Faults { return s.faults }
	f.client = f.front.Client()
	f.dialer = c.Dialer(s.limits, f.front, f.client)
	return f
}

func (f *fixture) stop() {
	f.front.Close()
	f.server.Close()
	f.client.CloseIdleConnections()
	if f.boxClient != nil {
		f.boxClient.CloseIdleConnections()
	}
	time.Sleep(time.Second) // a goroutine that still runs after that is stuck, and fails the test
}

func (c Config) newServer(h http.Handler) *Server {
	if c.HTTP2 {
		return NewHTTP2Server(h)
	}
	return NewServer(h)
}

// dial gives up after 10 s.
func (f *fixture) dial(first transport.Batch) (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return f.dialer.Dial(ctx, f.kind, first)
}

func (f *fixture) mustDial(t *testing.T, first transport.Batch) transport.Conn {
	t.Helper()
	conn, err := f.dial(first)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return conn
}

// outcome is the result of a run: what each side received, and how it ended.
type outcome struct {
	up, down       batches
	upErr, downErr error // downErr is also Dial's
	served         bool
	dialled        bool
	refused        error
	traffic        [2]int64 // up, down
	took           time.Duration
}

// run sends up, lets the server answer with down once it has received as many, and closes. It
// closes everything after a minute.
func (c Config) run(s setup, up, down []transport.Batch) (o outcome) {
	type served struct {
		got batches
		err error
	}
	done := make(chan served, 8)
	f := c.start(s, func(conn transport.Conn) {
		var r served
		for len(r.got) < len(up) && r.err == nil {
			r.got, r.err = receive(r.got, conn)
		}
		for i := 0; i < len(down) && r.err == nil; i++ {
			r.err = conn.Send(down[i])
		}
		code := transport.Code(0)
		if r.err != nil {
			code = transport.CodeFault
		}
		_ = conn.Close(code, "")
		done <- r
	})
	start := time.Now()
	conn, err := f.dial(up[0])
	if err == nil {
		o.dialled = true
		limit := time.AfterFunc(time.Minute, func() { _ = conn.Close(0, "") })
		for i := 1; i < len(up) && err == nil; i++ {
			err = conn.Send(up[i])
		}
		for o.downErr == nil {
			o.down, o.downErr = receive(o.down, conn)
		}
		limit.Stop()
		_ = conn.Close(0, "")
	} else {
		o.downErr = err
	}
	o.took = time.Since(start)
	synctest.Wait()
	o.traffic[0], o.traffic[1] = f.front.Traffic()
	f.stop()
	select {
	case r := <-done:
		o.served, o.up, o.upErr = true, r.got, r.err
	default:
	}
	select {
	case o.refused = <-f.refused:
	default:
	}
	return o
}

// batches are copies of what was received.
type batches []transport.Batch

func (bs batches) String() string {
	var s strings.Builder
	for _, b := range bs {
		fmt.Fprintf(&s, "%.200q ", b.Parts)
	}
	return "[" + strings.TrimSpace(s.String()) + "]"
}

// receive appends a copy of the next batch.
func receive(got batches, conn transport.Conn) (batches, error) {
	b, err := conn.Receive()
	if err != nil {
		return got, err
	}
	return append(got, transport.Batch{Binary: b.Binary, Parts: [][]byte{bytes.Join(b.Parts, nil)}}), nil
}

// bubble runs f under virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// text is a batch of these lines, in parts like those of a session: the head, then the rest.
func text(lines ...string) transport.Batch {
	b := transport.Batch{}
	for _, l := range lines {
		b.Parts = append(b.Parts, []byte(l+"\n"))
	}
	return b
}

// same reports whether got is what was sent; the parts may be split elsewhere.
func same(got, want []transport.Batch) bool {
	return len(got) == len(want) && isPrefix(got, want)
}

func isPrefix(got, want []transport.Batch) bool {
	if len(got) > len(want) {
		return false
	}
	for i := range got {
		if got[i].Binary != want[i].Binary ||
			!bytes.Equal(bytes.Join(got[i].Parts, nil), bytes.Join(want[i].Parts, nil)) {
			return false
		}
	}
	return true
}

// some limits n to what the Conn takes.
func some(n, carried int) int {
	if carried > 0 {
		return min(n, carried)
	}
	return n
}
