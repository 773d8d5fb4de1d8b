package conns

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// conn is a connection from an address, which knows whether it was closed.
type conn struct {
	net.Conn
	from   string
	closed bool
}

func (c *conn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}
func (c *conn) Close() error { c.closed = true; return nil }

func countClosed(list []*conn) (n int) {
	for _, c := range list {
		if c.closed {
			n++
		}
	}
	return n
}

// fill lets n connections of an address wait.
func fill(t *Table, from string, n int) (list []*conn) {
	for i := range n {
		c := &conn{from: fmt.Sprintf("%s:%d", from, 1000+i)}
		t.State(c, http.StateNew)
		list = append(list, c)
	}
	return list
}

// TestFree: the address with most waiting connections gives, and those that serve a request stay.
func TestFree(t *testing.T) {
	table := New(0)
	few, many := fill(table, "192.0.2.1", 3), fill(table, "192.0.2.2", 100)
	for _, c := range many[:90] {
		table.State(c, http.StateActive)
	}
	for _, want := range []int{5, 3} { // half of ten, then of five
		if n := table.Free(); n != want {
			t.Errorf("freed %d, want %d", n, want)
		}
	}
	if countClosed(few) != 0 || countClosed(many[:90]) != 0 || countClosed(many) != 8 {
		t.Errorf("closed %d of few, %d of those at work, %d of many", countClosed(few), countClosed(many[:90]),
			countClosed(many))
	}
	n := 0
	for freed := 1; freed > 0; n += freed {
		freed = table.Free()
	}
	if n != 2+3 || countClosed(few) != 3 || len(table.waiting) != 0 {
		t.Errorf("%d in the end, %v", n, table.waiting)
	}
}

// TestBoundOfAnAddress: beyond the bound the oldest ends.
func TestBoundOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(2)
		a, b := &conn{from: "[2001:db8::1]:1"}, &conn{from: "[2001:db8::2]:2"} // one /64
		table.State(a, http.StateNew)
		time.Sleep(time.Second)
		table.State(b, http.StateNew)
		time.Sleep(time.Second)
		table.State(a, http.StateActive)
		table.State(a, http.StateIdle)
		other := fill(table, "192.0.2.1", 2)
		c := &conn{from: "[2001:db8::3]:3"}
		table.State(c, http.StateNew)
		if a.closed || !b.closed || c.closed || countClosed(other) != 0 {
			t.Errorf("closed: a %t, b %t, c %t, %d others", a.closed, b.closed, c.closed, countClosed(other))
		}
	})
}

// shortage is a listener whose Accept fails so often.
type shortage struct {
	net.Listener
	errs []error
}

func (l *shortage) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return &conn{from: "192.0.2.9:1"}, nil
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

// TestAccept: a shortage costs idle connections, not the newcomer; other errors, and a shortage
// that cannot be helped, are the http.Server's.
func TestAccept(t *testing.T) {
	short := &net.OpError{Op: "accept", Err: fmt.Errorf("x: %w", syscall.EMFILE)}
	other := errors.New("other")
	table, failed, freed := New(0), 0, 0
	l := &Listener{
		Listener: &shortage{errs: []error{short, short, short, other, net.ErrClosed}}, Table: table,
		Failed: func(_ error, n int) { failed++; freed += n },
	}
	fill(table, "192.0.2.1", 3)
	for _, want := range []error{short, other, net.ErrClosed, nil} {
		if _, err := l.Accept(); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if failed != 4 || freed != 3 {
		t.Errorf("%d failures, %d freed", failed, freed)
	}
}
