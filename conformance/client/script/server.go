// Package script is a server that follows the script of a case. It is a small honest server of one
// session, and a case can alter, delay, repeat or withhold each of its answers and frames. It
// judges strictly all that the client sends, and notes the first requirement that breaks.
package script

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/trace"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Server serves one session, or several one after another. Its fields are set before the client
// connects. Hooks are called while the server is locked: they must not block, and must not call its
// methods except those of Attachment and Request.
type Server struct {
	URL     string // the endpoint
	urlPath string // differs in each case: an old client may still call a port that is used again
	Stop    func() // ends the server before the case ends

	Limits
	Hooks

	Echo   bool // sends every message back
	Silent bool // sends no pings
	Lossy  bool // frames and requests get lost: gaps and copies are not the client's fault
	// Refuse, if it is set, is the answer to everything.
	Refuse string
	// Forged is true when a case let the server say something untrue. The record is then no honest
	// trace.
	Forged bool

	// State is under the lock; cases read it in Do and Until.
	State

	t       *suite.T
	mu      sync.Mutex
	changed chan struct{}
	broken  *wire.Error
	nonces  map[string]string // with the request that brought each
	done    context.Context
}

// Limits are what the server states in !opened; times in ms.
type Limits struct {
	MaxBatch, MaxMessage, Win, Ping, Hold, TTL int
}

// Hooks let a case decide. Each may be nil.
type Hooks struct {
	// Holds keeps the ack where it is while it is true: the application is slow.
	Holds func() bool
	// Record is called with what the server's application and attachments do, as events of a trace.
	Record func(trace.Event)
	// Upgrade decides about each WebSocket handshake: 0 accepts, -1 never answers, a status
	// refuses.
	Upgrade func(n int, r *http.Request) int
	// Request decides first about each POST; nil lets the server answer.
	Request func(q *Request) *Reply
	// Alter may change what the server has decided to answer.
	Alter func(q *Request, r *Reply)
	// Frame is called with each batch that came in a frame; false drops it.
	Frame func(p *Attachment, b *wire.Batch) bool
	// Send is called with each batch for a frame or event; what it returns is sent instead.
	Send func(p *Attachment, batch string) []string
}

// State is what the server knows.
type State struct {
	Key, Run    string
	U, Att      uint64 // the selection
	Attachments []*Attachment
	Confirmed   bool // the client has repeated the run
	Closing     bool // the client's !close was taken
	Ended       string

	confirmedAt time.Time

	traffic
	upLog
	downLog
}

// traffic counts what the client has sent.
type traffic struct {
	Upgrades int
	Requests []*Request // all so far
	Trap     int        // requests that followed a redirect
	Opens    int
	Refusals int
	Auths    []string // the auth of each open
}

// upLog is what the server has of the client's log.
type upLog struct {
	Recv     uint64    // lines
	Taken    uint64    // the last line of the last whole message
	Messages []Message // what the client sent

	up      []string
	upEnds  []uint64 // the numbers of whole messages
	size    []int    // payload + 16 of each line
	part    []byte   // pieces of the message that is coming
	ackSent uint64   // the highest ack sent
}

// downLog is the server's log.
type downLog struct {
	Sent  uint64 // lines that were sent
	Acked uint64 // by the client

	down      []string // lines with LF
	downEnds  []uint64 // the numbers of whole messages
	enqueuing []byte   // pieces of the message that a case is putting into the log
}

// Message is a whole message of the client.
type Message struct {
	Data   string
	Binary bool
	Number uint64
}

// Path is the path of the endpoint's URL.
func (s *Server) Path() string { return s.urlPath }

// New starts a server for a case. It ends with the case.
func New(t *suite.T) *Server {
	s := &Server{
		t: t, changed: make(chan struct{}), nonces: map[string]string{},
		Limits: Limits{MaxBatch: 65536, MaxMessage: 1 << 20, Win: 2 << 20, Ping: 20000, Hold: 20000, TTL: 120000},
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("the suite cannot listen: %v", err)
	}
	s.urlPath = "/" + random() + "/holdfast"
	s.URL = "http://" + l.Addr().String() + s.urlPath
	done, end := context.WithCancel(context.WithoutCancel(t.Context()))
	s.done = done
	h := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context {
		return done
	}}
	go func() { _ = h.Serve(l) }()
	s.Stop = sync.OnceFunc(func() {
		s.mu.Lock()
		for _, p := range s.Attachments {
			p.end(nil)
		}
		s.mu.Unlock()
		end()
		_ = h.Close()
	})
	t.Cleanup(s.Stop)
	return s
}

// fault notes the first requirement that the client breaks. The server is locked.
func (s *Server) fault(requirement, format string, args ...any) {
	if s.broken == nil {
		s.broken = &wire.Error{Requirement: requirement, Text: fmt.Sprintf(format, args...)}
		s.t.Logf("BROKEN %v", s.broken)
		s.change()
	}
}

// Fault is for cases: it notes that a requirement is broken. The server is locked.
func (s *Server) Fault(requirement, format string, args ...any) {
	s.fault(requirement, format, args...)
}

func (s *Server) faultFrom(err error) {
	var e *wire.Error
	if errors.As(err, &e) {
		s.fault(e.Requirement, "%s", e.Text)
	} else if err != nil {
		s.fault("HF1-BAT-01", "%v", err)
	}
}

func (s *Server) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Do runs f while the server is locked. It fails the case if the client has broken a requirement by
// now.
func (s *Server) Do(f func()) {
	s.mu.Lock()
	if f != nil {
		f()
	}
	broken := s.broken
	s.change()
	s.mu.Unlock()
	if broken != nil {
		s.t.Break(broken.Requirement, "%s", broken.Text)
	}
}

// Until waits until f, called while the server is locked, is true. what says what is awaited. If it
// does not come within d, the case fails with the requirement.
func (s *Server) Until(d time.Duration, requirement, what string, f func() bool) {
	if !s.Within(d, f) {
		s.t.Break(requirement, "not within %s: %s", d, what)
	}
}

// Within is Until that reports instead of failing.
func (s *Server) Within(d time.Duration, f func() bool) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		ok := false
		var changed chan struct{}
		s.Do(func() { ok = f() })
		s.mu.Lock()
		changed = s.changed
		ok = ok || f()
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-over.C:
			return false
		case <-s.t.Context().Done():
			return false
		}
	}
}

// Never checks for d that f does not become true.
func (s *Server) Never(d time.Duration, requirement, what string, f func() bool) {
	if s.Within(d, f) {
		s.t.Break(requirement, "%s", what)
	}
}

// Enqueue adds lines (without LF) to the server's log and sends what may be sent.
func (s *Server) Enqueue(lines ...string) {
	s.Do(func() {
		for _, l := range lines {
			s.down = append(s.down, l+"\n")
			s.recordEnqueued(l)
		}
		s.flush()
	})
}

// Got waits until the client's messages are these, whole and in order.
func (s *Server) Got(d time.Duration, requirement string, want ...string) {
	s.Until(d, requirement, fmt.Sprintf("messages %.200q", want), func() bool {
		if len(s.Messages) > len(want) {
			s.fault(requirement, "more messages than were sent: %d, not %d", len(s.Messages), len(want))
			return true
		}
		for i, m := range s.Messages {
			if m.Data != want[i] {
				s.fault(requirement, "message %d is %.80q, not %.80q", i+1, m.Data, want[i])
				return true
			}
		}
		return len(s.Messages) == len(want)
	})
	s.Do(nil)
}

// Flush sends again what the selected attachment has not acknowledged, or what there is. The server
// is locked.
func (s *Server) Flush() { s.flush() }

// Nudge sends an ack on the selected attachment, or answers the hanging poll, so that the client
// sees a change of Holds.
func (s *Server) Nudge() {
	s.Do(func() {
		p := s.attachment(s.Att)
		switch {
		case p == nil || !p.Alive:
		case p.Transport != LongPoll:
			p.Control("?grease-nudge")
		case p.poll != nil:
			q := p.poll
			p.poll = nil
			q.honest(s.reply(p, ""))
		}
	})
}

func random() string {
	b := make([]byte, 18)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// later runs f, locked, after d, unless the case ends before.
func (s *Server) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.done.Err() == nil {
			f()
		}
	})
}
