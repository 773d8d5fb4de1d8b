package server

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The opcodes of WebSocket frames.
const (
	OpText   = 1
	OpBinary = 2
	OpClose  = 8
	OpPing   = 9
	OpPong   = 10
)

// Frame is a WebSocket frame as it was read.
type Frame struct {
	Fin     bool
	RSV     byte // the three reserved bits
	Op      byte
	Payload []byte
}

// CloseCode is the code of a close frame, 1005 if it has none.
func (f Frame) CloseCode() int {
	if len(f.Payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16(f.Payload))
}

// Socket is a WebSocket client that adds no rules of its own: it sends what a case says and shows
// what comes. One goroutine may read while others write.
type Socket struct {
	conn net.Conn
	r    *bufio.Reader
	mu   sync.Mutex // of writes
	// Response is the answer to the handshake.
	Response *http.Response
}

// Dial opens a TCP or TLS connection to the endpoint.
func (t *Target) Dial(ctx context.Context) (net.Conn, error) {
	host := t.Endpoint.Host
	if t.Endpoint.Port() == "" {
		host = net.JoinHostPort(t.Endpoint.Hostname(),
			map[string]string{"http": "80", "https": "443"}[t.Endpoint.Scheme])
	}
	d := &net.Dialer{Timeout: 5 * time.Second}
	if t.Endpoint.Scheme == "https" {
		return (&tls.Dialer{NetDialer: d, Config: &tls.Config{NextProtos: []string{"http/1.1"}}}).DialContext(ctx,
			"tcp", host)
	}
	return d.DialContext(ctx, "tcp", host)
}

// Exchange writes a whole request as it is and reads the head of the answer. The connection closes
// with the context.
func (t *Target) Exchange(ctx context.Context, request string) (*Socket, error) {
	conn, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	s := &Socket{conn: conn, r: bufio.NewReader(conn)}
	if _, err = io.WriteString(conn, request); err == nil {
		err = s.ReadResponse()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// ReadResponse reads the head of an HTTP answer, within 30 s.
func (s *Socket) ReadResponse() (err error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	s.Response, err = http.ReadResponse(s.r, nil)
	_ = s.conn.SetReadDeadline(time.Time{})
	return err
}

// Handshake is the request of a WebSocket, with the given fields replaced or added. "" leaves a
// field out.
func (t *Target) Handshake(fields map[string]string) (request, key string) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	key = base64.StdEncoding.EncodeToString(nonce)
	names := []string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}
	all := map[string]string{
		"Host": t.Endpoint.Host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
		"Sec-WebSocket-Version": "13",
	}
	method := "GET"
	for name, v := range fields {
		if name == ":method" {
			method = v
			continue
		}
		if _, known := all[name]; !known {
			names = append(names, name)
		}
		all[name] = v
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, t.Endpoint.RequestURI())
	for _, name := range names {
		if all[name] != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, all[name])
		}
	}
	return b.String() + "\r\n", key
}

// Socket opens a WebSocket. An answer other than 101 is no error: see Response.
func (t *Target) Socket(ctx context.Context, fields map[string]string) (*Socket, error) {
	request, key := t.Handshake(fields)
	s, err := t.Exchange(ctx, request)
	if err != nil || s.Response.StatusCode != http.StatusSwitchingProtocols {
		return s, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if got := s.Response.Header.Get("Sec-WebSocket-Accept"); got != base64.StdEncoding.EncodeToString(sum[:]) {
		_ = s.conn.Close()
		return nil, errors.New("the handshake's Sec-WebSocket-Accept is wrong")
	}
	return s, nil
}

// Write sends one frame, masked.
func (s *Socket) Write(op byte, payload []byte) error {
	return s.WriteFrame(0x80|op, len(payload), payload)
}

// WriteFrame sends a frame with the given first byte and stated length, and with the payload as it
// is.
func (s *Socket) WriteFrame(first byte, length int, payload []byte) error {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(length))
	}
	mask := [4]byte{0x5a, 0x17, 0xe3, 0x08}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return s.WriteRaw(b)
}

// WriteRaw sends bytes as they are.
func (s *Socket) WriteRaw(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err := s.conn.Write(b)
	return err
}

// maxFrame bounds what is read of a frame: the largest batch there is.
const maxFrame = 1 << 20

// Read reads one frame, control frames too.
func (s *Socket) Read() (f Frame, err error) {
	var head [2]byte
	if _, err = io.ReadFull(s.r, head[:]); err != nil {
		return f, err
	}
	f.Fin, f.RSV, f.Op = head[0]&0x80 != 0, head[0]>>4&7, head[0]&15
	n := uint64(head[1] & 0x7f)
	if head[1]&0x80 != 0 {
		return f, errors.New("a server's frame is masked")
	}
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(s.r, ext[:2])
		n = uint64(binary.BigEndian.Uint16(ext[:2]))
	case 127:
		_, err = io.ReadFull(s.r, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	if err == nil && n > maxFrame {
		err = fmt.Errorf("a frame of %d bytes", n)
	}
	if err != nil {
		return f, err
	}
	f.Payload = make([]byte, n)
	_, err = io.ReadFull(s.r, f.Payload)
	return f, err
}

// ReadBytes reads plain bytes, for a connection that is no WebSocket.
func (s *Socket) ReadBytes(b []byte) (int, error) { return s.r.Read(b) }

// ReadWithin bounds the time of the next reads; 0 removes the bound.
func (s *Socket) ReadWithin(d time.Duration) {
	at := time.Time{}
	if d > 0 {
		at = time.Now().Add(d)
	}
	_ = s.conn.SetReadDeadline(at)
}

// Close drops the connection, with a reset if abrupt.
func (s *Socket) Close(abrupt bool) {
	if tcp, ok := s.conn.(*net.TCPConn); ok && abrupt {
		_ = tcp.SetLinger(0)
	}
	_ = s.conn.Close()
}
