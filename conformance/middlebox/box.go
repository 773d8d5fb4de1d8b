package middlebox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Box is a middlebox in front of one server. Its methods may be called concurrently. Close ends it.
type Box struct {
	// Dial opens a connection to the target. Default: TCP, and TLS for https. It must be set before
	// Serve.
	Dial func(ctx context.Context) (net.Conn, error)
	// Log is called with a line for each thing that happens. Default: none. It must be set before
	// Serve.
	Log func(line string)
	// Cut is called for each connection that the box ends in the middle, by `kill`, `life` and such
	// modes, with the reason. It must not block. Default: none. It must be set before Serve.
	Cut func(why string)

	target *url.URL
	ctx    context.Context // ends with the box
	end    context.CancelFunc
	served sync.WaitGroup

	mu        sync.Mutex
	modes     []*liveMode
	listeners []net.Listener
	conns     []*countedConn // all connections so far, in order, for their counts
	serving   int            // connections being served, for the mode connections
	free      chan struct{}
	store     answers
}

// liveMode is a mode and how often it was used.
type liveMode struct {
	Mode
	used int
}

// New makes a box in front of target, an http or https URL. Only its scheme and host count.
func New(target string, modes ...Mode) (*Box, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("middlebox: target: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("middlebox: the target is no http or https URL")
	}
	b := &Box{target: u, free: make(chan struct{}, 1)}
	b.ctx, b.end = context.WithCancel(context.Background())
	b.SetModes(modes...)
	b.Dial = b.dial
	b.store.waiting = map[string]chan struct{}{}
	b.store.kept = map[string]*answer{}
	return b, nil
}

// SetModes replaces the modes, for exchanges that begin from now on.
func (b *Box) SetModes(modes ...Mode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.modes = nil
	for _, m := range modes {
		b.modes = append(b.modes, &liveMode{Mode: m})
	}
}

func (b *Box) dial(ctx context.Context) (net.Conn, error) {
	host := b.target.Host
	if b.target.Port() == "" {
		host = net.JoinHostPort(b.target.Hostname(), map[string]string{"http": "80", "https": "443"}[b.target.Scheme])
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	if b.target.Scheme == "https" {
		t := tls.Dialer{NetDialer: &d, Config: &tls.Config{NextProtos: []string{"http/1.1"}}}
		return t.DialContext(ctx, "tcp", host)
	}
	return d.DialContext(ctx, "tcp", host)
}

// ErrNotLoopback says that a hostile proxy must not stand where others can reach it.
var ErrNotLoopback = errors.New("middlebox: listens on loopback only")

// Listen serves address, which must be loopback ("127.0.0.1:0"), until Close, and returns the URL
// to use.
func (b *Box) Listen(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("middlebox: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", ErrNotLoopback
	}
	l, err := new(net.ListenConfig).Listen(b.ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("middlebox: %w", err)
	}
	go b.Serve(l)
	return "http://" + l.Addr().String(), nil
}

// Serve serves what l accepts until l or the box is closed.
func (b *Box) Serve(l net.Listener) {
	b.mu.Lock()
	b.listeners = append(b.listeners, l)
	b.mu.Unlock()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		w := b.accept(c)
		if w == nil {
			return
		}
		go func() {
			defer b.served.Done()
			defer b.release(w)
			if b.acquire() {
				b.serve(w)
			}
		}()
	}
}

// accept numbers a connection. It returns nil when the box has closed.
func (b *Box) accept(c net.Conn) *countedConn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		_ = c.Close()
		return nil
	}
	w := &countedConn{Conn: c, cutUp: -1, cutDown: -1, cut: b.cut}
	b.conns = append(b.conns, w)
	for _, m := range b.modes {
		if m.Name != "cut" {
			continue
		}
		if n, up, at, _ := parseCut(m.Text); n == len(b.conns) && up {
			w.cutUp = at
		} else if n == len(b.conns) {
			w.cutDown = at
		}
	}
	b.served.Add(1)
	return w
}

// acquire waits for a free place, in the way that a browser allows six connections to a host.
func (b *Box) acquire() bool {
	for {
		b.mu.Lock()
		i := slices.IndexFunc(b.modes, func(m *liveMode) bool { return m.Name == "connections" })
		if i < 0 || int64(b.serving) < b.modes[i].Bytes {
			b.serving++
			b.mu.Unlock()
			return true
		}
		b.mu.Unlock()
		select {
		case <-b.free:
		case <-b.ctx.Done():
			b.mu.Lock()
			b.serving++ // release takes it back
			b.mu.Unlock()
			return false
		}
	}
}

func (b *Box) release(w *countedConn) {
	_ = w.Close()
	b.mu.Lock()
	b.serving--
	b.mu.Unlock()
	select {
	case b.free <- struct{}{}:
	default:
	}
}

// Close ends the box with its listeners and connections. When it returns, nothing of the box runs
// any more.
func (b *Box) Close() {
	b.end()
	b.mu.Lock()
	for _, l := range b.listeners {
		_ = l.Close()
	}
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.served.Wait()
}

// Count is how many bytes crossed a client's connection.
type Count struct{ Up, Down int64 }

// Counts returns what crossed each connection so far, in the order in which they came.
func (b *Box) Counts() []Count {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Count, len(b.conns))
	for i, w := range b.conns {
		out[i] = Count{w.up.Load(), w.down.Load()}
	}
	return out
}

// raw reports whether the box relays bytes and reads no HTTP.
func (b *Box) raw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.modes, func(m *liveMode) bool { return m.Name == "tcp" })
}

// modesFor returns the modes that concern an exchange, and counts their use.
func (b *Box) modesFor(k Kind) []Mode {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Mode
	for _, m := range b.modes {
		if m.On&k == 0 || (m.Times > 0 && m.used >= m.Times) {
			continue
		}
		m.used++
		out = append(out, m.Mode)
	}
	return out
}

func (b *Box) cut(why string) {
	if b.Cut != nil {
		b.Cut(why)
	}
}

func (b *Box) logf(format string, args ...any) {
	if b.Log != nil {
		b.Log(fmt.Sprintf(format, args...))
	}
}
