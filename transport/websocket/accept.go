// Package websocket sends batches as WebSocket messages: a text batch as a text message, a binary
// batch as a binary message.
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

// Subprotocol is selected if a client offers it; it is optional (HF1-WSK-02).
const Subprotocol = "holdfast.v1"

const (
	// readBuffer is small, because each idle connection has one. A larger message is read around
	// it.
	readBuffer = 512
	// writeBuffer collects a message's small parts; a connection has one only during a write. Parts
	// larger than twice this size are written without a copy.
	writeBuffer = 4 << 10
)

var writeBuffers sync.Pool

// Options are for the server. The zero value, and nil, take every default.
type Options struct {
	// MaxBatch is the size of the largest batch taken, in bytes. Default:
	// [transport.DefaultMaxBatch].
	MaxBatch int
	// HandshakeTimeout bounds the writing of the answer 101. Default: 10 s.
	HandshakeTimeout time.Duration
	// FirstTimeout bounds the wait for the first batch, which the client sends first (HF1-WSK-01).
	// Default: 10 s; negative: none.
	FirstTimeout time.Duration
	// WriteTimeout bounds the writing of one batch. Default: 30 s.
	WriteTimeout time.Duration
}

// Accept answers a handshake; the headers set on w are sent with the 101 (HF1-HTTP-05). It does not
// check the Origin: that is for the server (HF1-WHO-09).
//
// The Conn needs neither w nor r: the handler should return, and one other goroutine should wait in
// Receive. Then a waiting connection keeps neither the request nor a buffer in memory. Pings of the
// WebSocket protocol are answered, and close frames noticed, only during a Receive.
//
// An error that is a [*transport.StatusError] means that nothing was written; the handler must
// answer with that status. After any other error the connection is closed.
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
		h.Del(name) // set by us, or without meaning in a 101 answer
	}
	for _, p := range websocket.Subprotocols(r) {
		if p == Subprotocol {
			// The constant, because the client's own string would keep its whole header in memory.
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

// versionKnown is false for a handshake of an unknown version, which is answered 426 and not 400.
func versionKnown(r *http.Request) bool {
	v := r.Header.Get("Sec-WebSocket-Version")
	return v == "" || v == "13"
}

// hijackable lets gorilla/websocket hijack the connection of any ResponseWriter that net/http can
// unwrap; gorilla itself cannot unwrap. It turns a TCP connection into a tcpConn, which can wait
// cheaply; gorilla uses its reader.
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
			h.up.ReadBufferSize = 0 // 0: gorilla uses the given reader
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
