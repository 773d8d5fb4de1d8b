package session

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/transport"
)

// machine is what a Session needs of either end's machine. All under the Session's lock.
type machine interface {
	logs() (*sendLog, *recvLog)
	send(kind lineKind, payload []byte, now time.Time) uint64
	taken(r received, now time.Time)
	end(code transport.Code, reason string, now time.Time)
	bound() (window int64, maxMessage int)
	ended() *ending
	transport() string
}

// Session is one end of a session: the server's or the client's. Its methods may be called by many goroutines at once; messages are
// received either with Receive or with OnMessage, not with both.
type Session struct {
	mu     sync.Mutex
	m      machine
	server *serverMachine // one of the two
	client *dialing
	table  *Table

	id        string
	principal string
	addr      netip.Addr
	meta      []byte
	header    http.Header // what TableConfig.KeepHeaders names
	booked    int64       // bytes booked as retained
	timer     timerEntry

	onMessage  func(Message)
	onClose    func(End)
	delivering bool
	deliverer  func() // deliver, kept so that starting it allocates nothing; nil in a session that never delivered
	closeTold  bool
	changed    chan struct{} // closed when something a waiter may wait for has happened; nil when nobody waits
	done       chan struct{}
	value      any
}

func (m *serverMachine) logs() (*sendLog, *recvLog) { return &m.out, &m.in }
func (m *serverMachine) bound() (int64, int)        { return m.cfg.win, m.cfg.maxMessage }
func (m *serverMachine) ended() *ending             { return m.over }
func (m *serverMachine) transport() string {
	if m.sel == nil {
		return ""
	}
	return transportOf(m.sel.kind)
}

func (m *clientMachine) logs() (*sendLog, *recvLog) { return &m.out, &m.in }
func (m *clientMachine) bound() (int64, int)        { return min(m.win, m.cfg.win), m.peerMessage }
func (m *clientMachine) ended() *ending             { return m.over }
func (m *clientMachine) transport() string {
	if m.cur == nil {
		return ""
	}
	return m.cur.way.name
}

// ID is the session's public name, derived from its key; it may be shown and logged. A client knows it once it is open.
func (s *Session) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client.m.id
	}
	return s.id
}

// Principal is who the session belongs to, as Authenticate said. "" is anonymous, and every client's.
func (s *Session) Principal() string { return s.principal }

// Meta is what the client sent as "meta" when it first opened the session, nil if nothing.
func (s *Session) Meta() []byte { return s.meta }

// Header has those headers of the request that opened the session first that TableConfig.KeepHeaders names, nil if it names none. It must not
// be changed.
func (s *Session) Header() http.Header { return s.header }

// Transport names what carries the session at this moment, "" while nothing does.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m.transport()
}

// SetValue keeps a value of the application's with the session.
func (s *Session) SetValue(v any) { s.mu.Lock(); s.value = v; s.mu.Unlock() }

// Value returns what SetValue kept.
func (s *Session) Value() any { s.mu.Lock(); defer s.mu.Unlock(); return s.value }

var (
	// ErrFull says that the bound of unacknowledged bytes is reached.
	ErrFull = errors.New("session: send log is full")
	// ErrTooLarge says that a message is above the session's maxMessage.
	ErrTooLarge = errors.New("session: message too large")
	// ErrNotText says that a text message is not UTF-8 (HF1-BAT-07).
	ErrNotText = errors.New("session: text is not UTF-8")
)

// Text makes a text message.
func Text(s string) Message { return Message{Data: []byte(s)} }

// Binary makes a binary message.
func Binary(b []byte) Message { return Message{Data: b, Binary: true} }

// Send copies the message into the log and returns its number. It waits while the window is full, until ctx ends: that abandons the wait,
// never the session. Errors: [ErrTooLarge], [ErrNotText], ctx's, and an [*EndError] when the session has ended.
func (s *Session) Send(ctx context.Context, m Message) (uint64, error) {
	for {
		n, wait, err := s.trySend(m)
		if wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// TrySend is Send that does not wait: at the bound it returns [ErrFull].
func (s *Session) TrySend(m Message) (uint64, error) {
	n, wait, err := s.trySend(m)
	if wait != nil {
		return 0, ErrFull
	}
	return n, err
}

func (s *Session) trySend(m Message) (n uint64, wait chan struct{}, err error) {
	kind := lineText
	if m.Binary {
		kind = lineBinary
	} else if !isText(m.Data) {
		return 0, nil, ErrNotText
	}
	if s.table != nil && s.table.retained.Load() > s.table.cfg.MaxRetained {
		return 0, nil, ErrFull
	}
	s.mu.Lock()
	out, _ := s.m.logs()
	win, most := s.m.bound()
	switch {
	case s.m.ended() != nil || out.closing != 0:
		err = s.endError()
	case len(m.Data) > most:
		err = ErrTooLarge
	case out.bytes() > 0 && out.bytes()+messageCost(kind, m.Data) > win:
		wait = s.waiter()
	default:
		n = s.m.send(kind, m.Data, time.Now())
		f := s.settle()
		s.mu.Unlock()
		f.run()
		s.count("down")
		return n, nil, nil
	}
	s.mu.Unlock()
	return 0, wait, err
}

// waiter is closed at the next change. Under the lock.
func (s *Session) waiter() chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Drained waits until the peer has taken every message sent so far.
func (s *Session) Drained(ctx context.Context) error {
	s.mu.Lock()
	out, _ := s.m.logs()
	last := out.last()
	for {
		var wait chan struct{}
		var err error
		switch {
		case out.base >= last:
		case s.m.ended() != nil:
			err = s.endError()
		default:
			wait = s.waiter()
		}
		s.mu.Unlock()
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
	}
}

// Close ends the session: everything sent before is delivered first. It waits for that until ctx ends, and returns nil if the fate of
// every message is known, else an [*EndError]. Calls after the first wait for the same end. A client gives up when nothing was confirmed for
// 10 s; a server, TableConfig.CloseGrace after the call.
func (s *Session) Close(ctx context.Context) error { return s.CloseWith(ctx, transport.CodeDone, "") }

// CloseWith is Close with a code (4100 … 4399, else 4101) and a reason of at most 128 bytes (cut there) for the peer.
func (s *Session) CloseWith(ctx context.Context, code transport.Code, reason string) error {
	s.EndWith(code, reason)
	select {
	case <-s.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if e := s.endOf(); !e.Exact {
			return &EndError{e}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// EndWith begins CloseWith without waiting.
func (s *Session) EndWith(code transport.Code, reason string) {
	reason = shorten(reason, maxReason)
	if code < 4100 || code > 4399 {
		code = transport.CodeApplication
	}
	s.mu.Lock()
	s.m.end(code, reason, time.Now())
	f := s.settle()
	s.mu.Unlock()
	f.run()
}

const maxReason = 128 // bytes (HF1-CLO-01)

// shorten cuts text to at most n bytes of valid UTF-8.
func shorten(text string, n int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.m.ended() != nil {
			close(s.done)
		}
	}
	return s.done
}
