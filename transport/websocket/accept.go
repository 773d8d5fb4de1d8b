// Package websocket carries batches as WebSocket messages: a text batch is a text message, a binary
// one a binary message.
package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/transport"
)

// Subprotocol is selected where a client offers it, and needed by nobody (HF1-WSK-02).
const Subprotocol = "holdfast.v1"

const (
	// readBuffer is small, as each idle connection has one. A message larger than it is read past
	// it.
	readBuffer = 512
	// writeBuffer holds a message's small parts; a connection has one only while it writes. Parts
	// larger than twice this go out from where they lie.
	writeBuffer = 4 << 10
)

var writeBuffers sync.Pool

// Options are those of the server's side. The zero value, and nil, take every default.
type Options struct {
	// MaxBatch is the size of the largest batch taken, in bytes. Default:
	// [transport.DefaultMaxBatch].
	MaxBatch int
	// HandshakeTimeout bounds the writing of the answer 101. Default: 10 s.
	HandshakeTimeout time.Duration
	// FirstTimeout bounds the wait for the client's first batch: it speaks first (HF1-WSK-01).
	// Default: 10 s; negative: none.
	FirstTimeout time.Duration
	// WriteTimeout bounds the writing of one batch. Default: 30 s.
	WriteTimeout time.Duration
}

// Accept answers a handshake; the headers set on w go out with the 101 (HF1-HTTP-05). It does not
// look at the Origin: that is the server's policy (HF1-WHO-09).
//
// The Conn needs neither w nor r: the handler should return, and one goroutine of the caller's sit
// in Receive, so that a connection that waits holds neither the request nor a buffer. Protocol
// pings are answered, and close frames seen, only while somebody receives.
//
// An error that is a [*transport.StatusError] means that nothing was written and the connection is
// still the handler's: it answers with that status. After any other error the connection is gone.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (transport.Conn, error) {
	if o == nil {
		o = &Options{}
	}
	var refused *transport.StatusError
	up := websocket.Upgrader{
		HandshakeTimeout: orDefault(o.HandshakeTimeout, 10*time.Second),
		ReadBufferSize:   readBuffer,
		WriteBufferSize:  writeBuffer,
		WriteBufferPool:  &writeBuffers,
		CheckOrigin:      func(*http.Request) bool { return true },
		Error: func(_ http.ResponseWriter, _ *http.Request, status int, _ error) {
			refused = &transport.StatusError{Status: status}
		},
	}
	h := w.Header().Clone()
	if h == nil {
		h = http.Header{}
	}
	for _, name := range []string{
		"Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Content-Length",
		"Transfer-Encoding",
	} {
		h.Del(name) // ours to say, or without meaning on an answer 101
	}
	for _, p := range websocket.Subprotocols(r) {
		if p == Subprotocol {
			// The constant, not the client's own string, which would keep its header alive.
			h.Set("Sec-WebSocket-Protocol", Subprotocol)
		}
	}
	from := &hijackable{ResponseWriter: w, up: &up}
	ws, err := up.Upgrade(from, r, h)
	switch {
	case refused != nil && !versionKnown(r):
		return nil, fmt.Errorf("%w: WebSocket version", &transport.StatusError{Status: http.StatusUpgradeRequired})
	case refused != nil:
		return nil, fmt.Errorf("%w: %w", refused, err)
	case err != nil:
		return nil, fmt.Errorf("websocket: accept: %w", err)
	}
	first := o.FirstTimeout
	if first == 0 {
		first = 10 * time.Second
	}
	c := newConn(ws, o.MaxBatch, o.WriteTimeout, max(first, 0))
	if from.tcp != nil {
		return &idleConn{c, from.tcp}, nil
	}
	return c, nil
}

// versionKnown tells a handshake of an unknown version, which is answered 426, from a broken one.
func versionKnown(r *http.Request) bool {
	v := r.Header.Get("Sec-WebSocket-Version")
	return v == "" || v == "13"
}

// hijackable lets gorilla/websocket, which knows nothing of wrapped writers, take over the
// connection of any that net/http can unwrap. A TCP connection it makes one that can be waited for,
// with a reader that gorilla takes over.
type hijackable struct {
	http.ResponseWriter
	up  *websocket.Upgrader
	tcp *tcpConn
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		err = fmt.Errorf("websocket: the connection cannot be taken over, as on HTTP/2: %w", err)
	}
	if plain, ok := c.(*net.TCPConn); ok && err == nil && rw.Reader.Buffered() == 0 {
		if h.tcp = newTCPConn(plain); h.tcp != nil {
			h.up.ReadBufferSize = 0 // that is: the reader's own
			return h.tcp, bufio.NewReadWriter(h.tcp.in, rw.Writer), nil
		}
	}
	return c, rw, err
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
