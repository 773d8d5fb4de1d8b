package session

import (
	"context"
	"io"
	"net/netip"
	"sync"

	"github.com/holdfast-rt/holdfast/transport"
)

// memory passes batches between a client and a Registry without a network, for tests of the Session
// itself.
type memory struct {
	registry *Registry
	addr     netip.Addr
	name     string
	mu       sync.Mutex
	conns    []*memConn
}

type memConn struct {
	kind    transport.Kind
	in, out chan transport.Batch
	gone    chan struct{} // shared by both ends
	stop    *sync.Once
}

func (d *memory) Dial(ctx context.Context, kind transport.Kind, first transport.Batch) (transport.Conn, error) {
	up, down := make(chan transport.Batch, 1024), make(chan transport.Batch, 1024)
	gone, stop := make(chan struct{}), new(sync.Once)
	c := &memConn{kind: kind, in: down, out: up, gone: gone, stop: stop}
	s := &memConn{kind: kind, in: up, out: down, gone: gone, stop: stop}
	if err := c.Send(first); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	sctx, cancel := context.WithCancel(context.Background())
	go func() { <-gone; cancel() }()
	go d.registry.Serve(sctx, s, &Peer{OriginOK: true, Addr: d.addr})
	return c, nil
}

// cut ends every conn, as a network would.
func (d *memory) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close(transport.CodeFault, "")
	}
	d.conns = nil
}

func (c *memConn) Kind() transport.Kind { return c.kind }

func (c *memConn) Send(b transport.Batch) error {
	var whole []byte
	for _, p := range b.Parts {
		whole = append(whole, p...)
	}
	select {
	case <-c.gone:
		return transport.ErrClosed
	case c.out <- transport.Batch{Binary: b.Binary, Parts: [][]byte{whole}}:
		return nil
	}
}

func (c *memConn) Receive() (transport.Batch, error) {
	select {
	case b := <-c.in:
		return b, nil
	default:
	}
	select {
	case b := <-c.in:
		return b, nil
	case <-c.gone:
		select {
		case b := <-c.in:
			return b, nil
		default:
			return transport.Batch{}, io.EOF
		}
	}
}

func (c *memConn) Close(transport.Code, string) error {
	c.stop.Do(func() { close(c.gone) })
	return nil
}
