package websocket

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/internal/bytepool"
)

const (
	// closeWait bounds the writing of a close frame. Either it fits into the kernel's buffer at
	// once, or the peer does not read.
	closeWait = 250 * time.Millisecond
	// maxReason is the largest reason in a close frame, in bytes.
	maxReason = 123
)

// The bits of conn.state.
const (
	sending uint32 = 1 << iota
	closed
)

// conn is one WebSocket, on the client or the server. While it waits it holds no buffer except
// gorilla's small read buffer.
type conn struct {
	ws           *websocket.Conn
	maxBatch     int
	writeTimeout time.Duration
	state        atomic.Uint32

	first time.Duration    // Receive's: bound on the wait for the first batch, 0 afterwards
	buf   *bytepool.Buffer // Receive's: holds the batch returned last
	err   error            // Receive's: what it returns from now on
	parts [1][]byte        // Receive's: the batch's one part
}

func newConn(ws *websocket.Conn, maxBatch int, writeTimeout, first time.Duration) *conn {
	if maxBatch <= 0 {
		maxBatch = transport.DefaultMaxBatch
	}
	// gorilla counts bytes on the wire. These are the bytes delivered, because compression is never
	// negotiated (HF1-WSK-02). A BOM and CRs are not part of the batch (HF1-BAT-06), so the limit
	// is a little larger, and the batch is checked afterwards.
	ws.SetReadLimit(int64(maxBatch) + slack)
	return &conn{ws: ws, maxBatch: maxBatch, writeTimeout: orDefault(writeTimeout, 30*time.Second), first: first}
}

// slack is what a message may have in addition to its batch: a BOM.
const slack = 3

func (c *conn) Kind() transport.Kind { return transport.KindSocket }

// Send writes one message. A second Send at the same time, or one after Close, returns
// [transport.ErrClosed].
func (c *conn) Send(b transport.Batch) error {
	if !c.state.CompareAndSwap(0, sending) {
		return transport.ErrClosed
	}
	defer c.state.And(^sending)
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.writeTimeout)) // never fails: it only stores the time
	err := c.write(b)
	if err == nil {
		return nil
	}
	if errors.Is(err, websocket.ErrCloseSent) || c.isClosed() {
		return transport.ErrClosed
	}
	return fmt.Errorf("websocket: send: %w", err)
}

func (c *conn) write(b transport.Batch) error {
	kind := websocket.TextMessage
	if b.Binary {
		kind = websocket.BinaryMessage
	}
	if len(b.Parts) == 1 {
		return c.ws.WriteMessage(kind, b.Parts[0])
	}
	if n := b.Len(); n <= writeBuffer {
		// gorilla would collect the parts in its own buffer, which costs one more allocation than
		// doing it here.
		whole := bytepool.Get(n)
		defer whole.Release()
		for _, p := range b.Parts {
			whole.B = append(whole.B, p...)
		}
		return c.ws.WriteMessage(kind, whole.B)
	}
	w, err := c.ws.NextWriter(kind)
	if err != nil {
		return err
	}
	for _, p := range b.Parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

// Receive returns the next message. 1000, 1001 and a close without code are [io.EOF], a code of
// holdfast is a [*transport.CloseError]; every error is final.
func (c *conn) Receive() (transport.Batch, error) {
	c.release()
	if c.isClosed() {
		return transport.Batch{}, transport.ErrClosed // also if a message was received before
	}
	if c.err == nil {
		var b transport.Batch
		if b, c.err = c.receive(); c.err == nil {
			return b, nil
		}
		if c.isClosed() {
			c.err = transport.ErrClosed
		}
	}
	return transport.Batch{}, c.err
}

// release frees the memory of the batch returned last.
func (c *conn) release() {
	c.buf.Release()
	c.buf, c.parts[0] = nil, nil
}

func (c *conn) receive() (transport.Batch, error) {
	if c.first > 0 {
		_ = c.ws.SetReadDeadline(time.Now().Add(c.first)) // if this fails, so does the read
	}
	kind, r, err := c.ws.NextReader() // holds no buffer while it waits
	if err != nil {
		return transport.Batch{}, fault(err)
	}
	c.buf = bytepool.Get(0)
	full, err := c.buf.Fill(r, c.maxBatch+slack+1)
	if err != nil {
		return transport.Batch{}, fault(err)
	}
	lines := c.buf.B
	if kind == websocket.TextMessage {
		if lines, err = transport.DecodeText(lines); err != nil {
			return transport.Batch{}, err
		}
	}
	if full || len(lines) > c.maxBatch {
		return transport.Batch{}, transport.ErrTooLarge
	}
	if c.first > 0 {
		c.first = 0
		_ = c.ws.SetReadDeadline(time.Time{})
	}
	c.parts[0] = lines
	return transport.Batch{Binary: kind == websocket.BinaryMessage, Parts: c.parts[:]}, nil
}

// fault translates an error of gorilla, where two close codes are a regular end.
func fault(err error) error {
	if errors.Is(err, websocket.ErrReadLimit) {
		return transport.ErrTooLarge
	}
	var end *websocket.CloseError
	if !errors.As(err, &end) {
		return fmt.Errorf("websocket: receive: %w", err)
	}
	switch {
	case end.Code == websocket.CloseNormalClosure, end.Code == websocket.CloseGoingAway,
		end.Code == websocket.CloseNoStatusReceived:
		return io.EOF
	// gorilla's code for a connection that broke; no peer can send it
	case end.Code == websocket.CloseAbnormalClosure:
		return fmt.Errorf("websocket: receive: %w", io.ErrUnexpectedEOF)
	case 4000 <= end.Code && end.Code < 4400:
		return &transport.CloseError{Code: transport.Code(end.Code), Reason: end.Text}
	default:
		return fmt.Errorf("websocket: receive: %w", err)
	}
}

// Close writes a close frame, if that is possible at once, and closes the connection. It interrupts
// a Send under way, without a close frame: call Close after Send has returned if the last batch is
// to arrive. A code of 0 is sent as 1000.
func (c *conn) Close(code transport.Code, reason string) error {
	before := c.state.Or(closed)
	if before&closed != 0 {
		return nil
	}
	if before&sending == 0 {
		if code == 0 {
			code = websocket.CloseNormalClosure
		}
		frame := websocket.FormatCloseMessage(int(code), shorten(reason))
		if c.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(closeWait)) == nil {
			return ignoreClosed(c.ws.Close())
		}
	}
	// If the close frame could not be written, TLS's close_notify cannot be either, and crypto/tls
	// would wait 5 s for it.
	raw := c.ws.NetConn()
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	return ignoreClosed(raw.Close())
}

func (c *conn) isClosed() bool { return c.state.Load()&closed != 0 }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// shorten cuts s to maxReason bytes, between two characters.
func shorten(s string) string {
	if len(s) <= maxReason {
		return s
	}
	end := maxReason
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end]
}
