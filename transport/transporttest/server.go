package transporttest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/holdfast-rt/holdfast/transport"
)

// Server is an unaltered net/http server behind an in-memory listener. Its fields are set before
// the first connection.
type Server struct {
	// URL is where clients send requests. The host is not a real one.
	URL string
	// Faults says what goes wrong with the n-th connection, counted from 0. Default: nothing.
	Faults func(n int) Faults

	http  *http.Server
	http2 bool
	ln    *listener

	mu    sync.Mutex
	dials int
	wires []*pipeConn
}

// NewServer starts a server. Close it inside the synctest bubble that started it.
func NewServer(h http.Handler) *Server {
	s := newServer(h)
	go func() { _ = s.http.Serve(s.ln) }()
	return s
}

func newServer(h http.Handler) *Server {
	return &Server{
		URL: "http://holdfast.test/holdfast",
		ln:  &listener{conns: make(chan net.Conn), closed: make(chan struct{})},
		// A handler that panics shows in the test that expected an answer.
		http: &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)},
	}
}

// NewHTTP2Server is like NewServer, but uses only HTTP/2 without TLS; so does its Client.
func NewHTTP2Server(h http.Handler) *Server {
	s := newServer(h)
	s.http2 = true
	s.http.Protocols = cleartextHTTP2()
	go func() { _ = s.http.Serve(s.ln) }()
	return s
}

func cleartextHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// Dial connects to the server, whatever the address. It fits [net.Dialer]'s DialContext, and so the
// dialers' hooks.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := Pipe()
	s.mu.Lock()
	n := s.dials
	s.dials++
	s.wires = append(s.wires, client.(*pipeConn))
	s.mu.Unlock()
	select {
	case s.ln.conns <- server:
	case <-s.ln.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.Faults != nil {
		if f := s.Faults(n); f != (Faults{}) {
			return Faulty(client, f), nil
		}
	}
	return client, nil
}

// Dials is the number of connections so far.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// Traffic is the number of bytes that went each way over all connections so far.
func (s *Server) Traffic() (up, down int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.wires {
		up += c.out.written()
		down += c.in.written()
	}
	return up, down
}

// Client returns an HTTP client that reaches this server only. Close its idle connections at the
// end.
func (s *Server) Client() *http.Client {
	c := transport.NewHTTPClient(transport.ClientOptions{DialContext: s.Dial})
	if s.http2 {
		c.Transport.(*http.Transport).Protocols = cleartextHTTP2()
	}
	return c
}

// Close ends the server and cuts every connection, also those that were hijacked.
func (s *Server) Close() {
	_ = s.http.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.wires {
		c.reset()
	}
}

type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr("server") }
