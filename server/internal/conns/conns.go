// Package conns keeps a server able to accept: it counts the connections that wait for a request by
// address, and closes some when descriptors run short.
//
// Such a connection costs its owner nothing and the server a descriptor. Whoever holds most of them
// gives first, so one address cannot shut out the others. A client whose idle connection ends opens
// another.
package conns

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-rt/holdfast/server/internal/address"
)

// Table has the connections of one http.Server that wait for a request. Many goroutines may call
// its methods at the same time.
type Table struct {
	max int

	mu      sync.Mutex
	waiting map[netip.Prefix]map[net.Conn]time.Time // since when, by address
}

// New makes a Table that keeps at most max waiting connections of one address; less than 1 is no
// bound.
func New(max int) *Table {
	return &Table{max: max, waiting: make(map[netip.Prefix]map[net.Conn]time.Time)}
}

// State is for http.Server.ConnState.
func (t *Table) State(c net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := keyOf(c)
	if state != http.StateNew && state != http.StateIdle {
		t.remove(key, c)
		return
	}
	of := t.waiting[key]
	if of == nil {
		of = make(map[net.Conn]time.Time)
		t.waiting[key] = of
	}
	of[c] = time.Now()
	if t.max > 0 && len(of) > t.max {
		t.closeOldest(key)
	}
}

// Free closes half of the waiting connections of the address that has most. It returns how many.
func (t *Table) Free() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	var key netip.Prefix
	most := 0
	for k, of := range t.waiting {
		if len(of) > most {
			key, most = k, len(of)
		}
	}
	n := (most + 1) / 2
	if n == 1 {
		t.closeOldest(key)
		return 1
	}
	left := n // the oldest are no more to blame than the others, and to sort them costs more
	for c := range t.waiting[key] {
		if left == 0 {
			break
		}
		t.remove(key, c)
		closeNow(c)
		left--
	}
	return n
}

func (t *Table) remove(key netip.Prefix, c net.Conn) {
	of := t.waiting[key]
	if delete(of, c); len(of) == 0 {
		delete(t.waiting, key)
	}
}

func (t *Table) closeOldest(key netip.Prefix) {
	var oldest net.Conn
	var since time.Time
	for c, at := range t.waiting[key] {
		if oldest == nil || at.Before(since) {
			oldest, since = c, at
		}
	}
	t.remove(key, oldest)
	closeNow(oldest)
}

// closeNow closes without the farewell of TLS, which may wait for the peer.
func closeNow(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	_ = c.Close()
}

func keyOf(c net.Conn) netip.Prefix {
	at, _ := netip.ParseAddrPort(c.RemoteAddr().String()) // a unix socket has none: the zero Prefix
	return address.Group(at.Addr())
}

// Listener accepts for as long as the Table can free a descriptor.
type Listener struct {
	net.Listener
	Table *Table
	// Failed is called for each error of Accept, with the number of connections closed for it.
	Failed func(err error, freed int)
}

// Accept implements [net.Listener]. Errors other than a shortage are returned: http.Server knows
// them.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return c, err
		}
		freed := 0
		if short(err) {
			freed = l.Table.Free()
		}
		l.Failed(err, freed)
		if freed == 0 {
			return nil, err // http.Server waits, and longer each time
		}
		time.Sleep(time.Millisecond) // a descriptor is free when its reader has noticed
	}
}

// short reports whether the process or the machine has no descriptors or buffers left.
func short(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS)
}
