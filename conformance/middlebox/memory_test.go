package middlebox

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a listener whose connections are pipes, so that the time of a test is virtual.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
}

func newMemory() *memory { return &memory{make(chan net.Conn), make(chan struct{})} }

func (l *memory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *memory) Close() error   { close(l.done); return nil }
func (l *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (l *memory) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lab is a client, a box and a server in one synctest bubble.
type lab struct {
	*testing.T
	box    *Box
	front  *memory
	client *http.Client
	hits   atomic.Int32 // requests the server has seen
	seen   atomic.Pointer[http.Request]
}

// inLab runs test with a box in these modes.
func inLab(t *testing.T, modes string, test func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, front: newMemory()}
		back := newMemory()
		srv := &http.Server{Handler: http.HandlerFunc(l.server), ReadHeaderTimeout: time.Minute}
		go func() { _ = srv.Serve(back) }()
		box, err := New("http://server.test", MustParse(modes)...)
		if err != nil {
			t.Fatal(err)
		}
		box.Dial = back.dial
		go box.Serve(l.front)
		l.box = box
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return l.front.dial(ctx)
		}}
		l.client = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
		test(l)
		tr.CloseIdleConnections()
		box.Close()
		_ = srv.Close()
		time.Sleep(time.Minute) // until the handlers have ended
	})
}

// server answers by path. /echo answers with the body and the number of the request; /stream sends
// three events, 100 ms apart; /hang answers after 10 s; /ws sends one frame and then echoes frames.
func (l *lab) server(w http.ResponseWriter, r *http.Request) {
	n := l.hits.Add(1)
	l.seen.Store(r.Clone(context.Background()))
	switch r.URL.Path {
	case "/stream":
		for i := range 3 {
			fmt.Fprintf(w, "data:%d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	case "/hang":
		select {
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
		}
	case "/ws":
		if r.Header.Get("Upgrade") == "" {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		l.socket(w)
	default:
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Count", fmt.Sprint(n))
		fmt.Fprintf(w, "%s %d", body, n)
	}
}

func (l *lab) socket(w http.ResponseWriter) {
	c, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		l.Error(err)
		return
	}
	defer c.Close()
	const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	_, _ = io.WriteString(c, switching+frame("hi"))
	for {
		f, err := readFrame(buf.Reader)
		if err != nil {
			return
		}
		if _, err := c.Write(f); err != nil {
			return
		}
	}
}

// frame is an unmasked text frame; the box accepts it.
func frame(text string) string {
	if len(text) < 126 {
		return string([]byte{0x81, byte(len(text))}) + text
	}
	return string([]byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}) + text
}

// post sends a body of a kind, and returns status, body and how long it took.
func (l *lab) post(path, kind, body string) (int, string, time.Duration, error) {
	start := time.Now()
	res, err := l.client.Post("http://box.test"+path, "text/plain",
		strings.NewReader("holdfast/1 "+kind+" nonce\n"+body))
	if err != nil {
		return 0, "", time.Since(start), err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), time.Since(start), err
}

// events reads /stream; it returns when each event came, in ms, and the error it ended with.
func (l *lab) events(accept string) (at []int64, err error) {
	start := time.Now()
	req, _ := http.NewRequestWithContext(l.Context(), http.MethodGet, "http://box.test/stream", http.NoBody)
	req.Header.Set("Accept", accept)
	res, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	in := bufio.NewScanner(res.Body)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "data:") {
			at = append(at, time.Since(start).Milliseconds())
		}
	}
	return at, in.Err()
}

// upgrade opens a WebSocket, with more bytes sent right behind the request.
func (l *lab) upgrade(glued string) (net.Conn, *bufio.Reader, *http.Response, error) {
	c, err := l.front.dial(l.Context())
	if err != nil {
		return nil, nil, nil, err
	}
	go func() {
		_, _ = io.WriteString(c,
			"GET /ws HTTP/1.1\r\nHost: box.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+glued)
	}()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	return c, in, res, err
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
