package middlebox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// upgrade passes a WebSocket handshake on; after a 101 it relays frames.
func (x *exchange) upgrade(stillOpen func() bool) bool {
	res, server, from, err := x.ask()
	if err != nil {
		return x.answer(http.StatusBadGateway, false) && stillOpen()
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		again, err := x.pass(res, "")
		x.closeCleanly(err == nil)
		return again && err == nil && stillOpen()
	}
	if !stillOpen() { // from here on the tunnel reads the client
		return false
	}
	if _, ok := x.mode("swallow-glued"); ok {
		x.discard()
	}
	if err := x.writeUpgrade(res); err != nil {
		return false
	}
	x.tunnel(x.frames(x.in), x.frames(from), server)
	return false
}

// discard drops what the client sent together with the upgrade request (F06).
func (x *exchange) discard() {
	_ = x.client.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, _ = x.in.Peek(1)
	_ = x.client.SetReadDeadline(time.Time{})
	n, _ := x.in.Discard(x.in.Buffered())
	x.box.logf("%d glued bytes swallowed", n)
}

func (x *exchange) writeUpgrade(res *http.Response) error {
	var out bytes.Buffer
	out.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = res.Header.Write(&out)
	out.WriteString("\r\n")
	_, err := x.client.Write(out.Bytes())
	return err
}

// tunnel relays both ways until either side ends.
func (x *exchange) tunnel(up, down <-chan chunk, server net.Conn) {
	g := x.guards()
	defer g.stop()
	var toClient sink = &last{plain{x.client}}
	if m, ok := x.mode("swallow"); ok {
		toClient = &swallow{next: toClient, n: m.Bytes}
	}
	if _, ok := x.mode("one-behind"); ok {
		toClient = &oneBehind{next: toClient}
	}
	var toServer sink = &last{plain{server}}
	if m, ok := x.mode("limit-frame"); ok {
		toServer = &limitFrame{next: toServer, x: x, limit: m.Bytes}
	}
	var both sync.WaitGroup
	done := func(direction string, err error) {
		x.closeCleanly(err == nil)
		if _, ok := g.stopped("half-open", direction); ok { // neither side may see what the other did
			<-x.ctx.Done()
		}
		x.cancel()
	}
	both.Go(func() { done("up", g.relay(up, toServer, "up")) })
	both.Go(func() { done("down", g.relay(down, toClient, "down")) })
	both.Wait()
}

// frames reads WebSocket frames whole.
func (x *exchange) frames(r *bufio.Reader) <-chan chunk {
	return x.chunks(func() ([]byte, error) { return readFrame(r) })
}

// readFrame reads one frame and returns its bytes unchanged.
func readFrame(r *bufio.Reader) ([]byte, error) {
	frame := make([]byte, 2, 14)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	size := uint64(frame[1] & 0x7f)
	if wide := map[uint64]int{126: 2, 127: 8}[size]; wide > 0 {
		frame = frame[:2+wide]
		if _, err := io.ReadFull(r, frame[2:]); err != nil {
			return nil, err
		}
		if size = binary.BigEndian.Uint64(append(make([]byte, 8-wide, 8), frame[2:]...)); size > maxBody {
			return nil, fmt.Errorf("%w: a frame of %d bytes", errTooMuch, size)
		}
	}
	if frame[1]&0x80 != 0 {
		size += 4 // the mask
	}
	head := len(frame)
	frame = append(frame, make([]byte, size)...)
	_, err := io.ReadFull(r, frame[head:])
	return frame, err
}

// payload is how many bytes a frame carries.
func payload(frame []byte) int64 {
	head := int64(2)
	switch frame[1] & 0x7f {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if frame[1]&0x80 != 0 {
		head += 4
	}
	return int64(len(frame)) - head
}

// limitFrame closes both sides with 1009 when a frame is too large (F24).
type limitFrame struct {
	next  sink
	x     *exchange
	limit int64
}

func (l *limitFrame) write(p []byte) error {
	if len(p) == 0 || payload(p) <= l.limit {
		return l.next.write(p)
	}
	_, _ = l.x.client.Write([]byte{0x88, 2, 1009 >> 8, 1009 & 0xff})
	l.x.box.cut("limit-frame")
	l.x.closeCleanly(true)
	l.x.cancel()
	return errTooMuch
}

func (l *limitFrame) end() error { return l.next.end() }

// relay passes the bytes of a connection on without reading them: the mode tcp.
func (b *Box) relay(w *countedConn, in *bufio.Reader, modes []Mode) {
	x := &exchange{box: b, client: w, in: in, kind: All, modes: modes}
	x.ctx, x.cancel = context.WithCancel(b.ctx)
	defer x.cancel()
	stop := context.AfterFunc(x.ctx, x.close)
	defer stop()
	server, err := x.dial()
	if err != nil {
		return
	}
	x.tunnel(x.bytesOf(in), x.bytesOf(server), server)
	x.close()
}
