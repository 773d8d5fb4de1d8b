package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// Shutdown ends the Server: it is no longer ready, refuses new sessions as draining, and closes
// every session with code 4200, which allows the client to open a new one. Messages sent before are
// delivered, and their acks awaited for Timers.CloseGrace at most. Sessions that nobody holds, since
// no transport is attached, end at once: a tab that was closed a minute ago must not hold a
// deployment up. It returns nil when all others and all WebSockets have ended, or the error
// of ctx. It may be called again. The HTTP server must still serve during that time: close it
// afterwards.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.registry.StopAccepting()
	var held []*session.Session
	for x := range s.registry.Sessions() { // after StopAccepting there are no new ones
		end := x.Abort
		if x.Transport() != "" {
			held, end = append(held, x), x.EndWith
		}
		_ = end(transport.CodeDraining, "server drains") // a valid code
	}
	for _, x := range held {
		select {
		case <-x.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-s.sockets.none():
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.cfg.Registerer != nil { // it belongs to the application, and another Server may use it now
		s.metrics.Unregister()
	}
	return nil
}

// Healthz answers 200 while the process can answer.
func (s *Server) Healthz(w http.ResponseWriter, r *http.Request) { health(w, r, true, "ok\n") }

// Readyz answers 200, or 503 after the start of Shutdown: a load balancer then sends new clients
// elsewhere.
func (s *Server) Readyz(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		health(w, r, false, "draining\n")
		return
	}
	health(w, r, true, "ready\n")
}

func health(w http.ResponseWriter, r *http.Request, ok bool, text string) {
	h := w.Header()
	transport.SetHeaders(h)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(text))
}

// running counts goroutines that go on after their handlers. Unlike with a WaitGroup, new ones may
// start during a wait.
type running struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n becomes 0; nil if nobody waits
}

func (c *running) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *running) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.zero != nil {
		close(c.zero)
		c.zero = nil
	}
}

// none returns a channel that is closed when nothing runs.
func (c *running) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if c.zero == nil {
		c.zero = make(chan struct{})
	}
	return c.zero
}
