package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Message is a message that came whole.
type Message struct {
	Data   string
	Binary bool
	Number uint64 // of its last line
}

// Session is the client's side of one session. It keeps the rules as far as a case wants that. The
// case's goroutine calls its methods; what the readers of connections change is behind the lock.
type Session struct {
	T      *suite.T
	Target *Target
	Key    string
	Run    string
	// Att and U are the last ones used.
	Att, U uint64
	// HoldAck keeps the ack where it is, as if nothing that comes were taken.
	HoldAck bool
	// Opened is the first opened.
	Opened wire.Line

	nonceMu sync.Mutex // of nonces
	mu      sync.Mutex
	up      uint64      // number of the last up line sent
	fault   *wire.Error // the first thing that broke a rule
	news    chan struct{}
	received
}

// received is what came from the server.
type received struct {
	recv  uint64 // position in the down log
	ack   uint64 // what this side states
	acked uint64 // the highest that the server stated
	acks  []uint64
	bytes int // payload + 16 of each line that came

	piece []byte // of the message that is coming
	kind  wire.Kind
	more  bool

	messages []Message
	next     int // the first message that no case has expected yet
	closed   *wire.Line
}

// NewSession draws a key; nothing is sent. The key does not depend on the seed, because a server
// remembers the sessions of earlier runs (HF1-WHO-11).
func NewSession(t *suite.T) *Session {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return &Session{
		T: t, Target: t.Target.(*Target), Key: base64.RawURLEncoding.EncodeToString(key), news: make(chan struct{}, 1),
	}
}

// SessionID is the id that belongs to a key (HF1-WHO-02).
func SessionID(key string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(key)
	sum := sha256.Sum256(append([]byte("holdfast/1 id"), raw...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Up is the number of the last up line sent.
func (s *Session) Up() uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.up }

// SetUp sets that number.
func (s *Session) SetUp(n uint64) { s.mu.Lock(); defer s.mu.Unlock(); s.up = n }

// Acked is the highest ack that the server has sent.
func (s *Session) Acked() uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.acked }

// Acks are the acks that the server has sent, in order.
func (s *Session) Acks() []uint64 { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.acks) }

// WaitAck waits until the server has acknowledged n lines.
func (s *Session) WaitAck(n uint64, within time.Duration) {
	if !s.wait(within, func() bool { return s.acked >= n }) {
		s.T.Fatalf("the server's ack was %d after %v, not %d", s.Acked(), within, n)
	}
}

// Recv is the position in the down log.
func (s *Session) Recv() uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.recv }

// Ack is the ack that this side states in its heads.
func (s *Session) Ack() uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.ack }

// Bytes counts what came, in the way that windows count (HF1-NUM-10).
func (s *Session) Bytes() int { s.mu.Lock(); defer s.mu.Unlock(); return s.bytes }

// TakeAll lets the ack cover what came, although HoldAck is set.
func (s *Session) TakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take()
}

func (s *Session) take() {
	switch {
	case s.closed != nil:
		s.ack = s.recv
	case len(s.messages) > 0:
		s.ack = s.messages[len(s.messages)-1].Number
	}
}

// nonce makes a nonce for a request.
func (s *Session) nonce() string {
	s.nonceMu.Lock()
	defer s.nonceMu.Unlock()
	return fmt.Sprintf("n%015x%08x", s.T.Rand.Uint64()>>4, s.T.Rand.Uint32())
}

// receive takes what a batch brings. What the attachment brought before, or what a poll stated,
// decides which line must come next (I5).
func (s *Session) receive(p *Attachment, e Event) {
	b := e.Batch
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Ack > s.up {
		s.noteFault(s.blameAck(), "the ack %d where %d lines were sent", b.Ack, s.up)
	}
	s.acked = max(s.acked, b.Ack)
	if n := len(s.acks); n == 0 || s.acks[n-1] != b.Ack {
		s.acks = append(s.acks, b.Ack)
	}
	if most := p.maxBatch; most > 0 && b.Size > most && b.Logs() > 1 {
		s.noteFault("HF1-ATT-06", "a batch of %d bytes where maxBatch is %d", b.Size, most)
	}
	if n := uint64(b.Logs()); n > 0 {
		next := &p.next
		if e.from != 0 {
			next = &e.from
		}
		s.lines(next, b, n)
	}
	if !s.HoldAck {
		s.take()
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// blameAck is the requirement that an ack above what was sent breaks. In a case about something
// else, such an ack means that the server took a line which it should have refused.
func (s *Session) blameAck() string {
	if all := s.T.Case.Requirements; !slices.Contains(all, "HF1-NUM-05") {
		return all[0]
	}
	return "HF1-NUM-05"
}

func (s *Session) lines(next *uint64, b *wire.Batch, n uint64) {
	// it may skip what the ack covers (HF1-NUM-08)
	if *next != 0 && b.First != *next && (b.First < *next || b.First > s.ack+1) {
		s.noteFault("HF1-ATT-05", "on an attachment line %d comes where %d is next", b.First, *next)
	}
	if b.First > s.recv+1 {
		s.noteFault("HF1-ATT-05", "first is %d where the position is %d", b.First, s.recv)
		return
	}
	*next = b.First + n
	at := b.First - 1
	for _, l := range b.Lines {
		if !l.Log() {
			continue
		}
		at++
		if at <= s.recv {
			continue
		}
		s.recv = at
		s.line(l, at)
	}
}

func (s *Session) line(l wire.Line, at uint64) {
	s.bytes += len(l.Data) + 16
	switch {
	case s.closed != nil:
		s.noteFault("HF1-CLO-01", "line %d after the server's !close", at)
	case s.more && l.Kind != s.kind:
		s.noteFault("HF1-BAT-09", "a piece is continued by %s", l)
	case l.Is("!close"):
		s.closed = &l
		return
	}
	s.piece, s.kind, s.more = append(s.piece, l.Data...), l.Kind, l.More
	if !l.More {
		s.messages = append(s.messages, Message{string(s.piece), l.Kind == wire.Binary, at})
		s.piece = nil
	}
}

// noteFault notes the first rule that the server broke; the case reports it when it looks next. The
// caller holds the lock.
func (s *Session) noteFault(requirement, format string, args ...any) {
	if s.fault == nil {
		s.fault = &wire.Error{Requirement: requirement, Text: fmt.Sprintf(format, args...)}
	}
}

// Check fails the case if anything that the server has sent so far broke a rule.
func (s *Session) Check() {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		s.T.Break(fault.Requirement, "%s", fault.Text)
	}
}

// wait waits until done is true. It returns false when the time is over.
func (s *Session) wait(within time.Duration, done func() bool) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		s.Check()
		s.mu.Lock()
		ok := done()
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-s.news:
		case <-timer.C:
			return false
		case <-s.T.Context().Done():
			return false
		}
	}
}

// Within is how long an answer may take that is due at once. It allows for a slow machine under
// load; a user would not wait so long.
const Within = 6 * time.Second

// Expect waits for the next messages, written as lines: tHello, or bSGk=.
func (s *Session) Expect(lines ...string) {
	s.ExpectWithin(Within, lines...)
}

// ExpectWithin is Expect with another bound.
func (s *Session) ExpectWithin(d time.Duration, lines ...string) {
	for _, want := range lines {
		if !s.wait(d, func() bool { return len(s.messages) > s.next }) {
			s.T.Fatalf("the message %.100q did not come in %v", want, d)
		}
		got := s.message(s.next)
		s.next++
		if show := got.line(); show != want {
			s.T.Fatalf("the message %.200q came where %.200q was due", show, want)
		}
	}
}

func (s *Session) message(i int) Message { s.mu.Lock(); defer s.mu.Unlock(); return s.messages[i] }

func (m Message) line() string {
	if m.Binary {
		return "b" + base64.StdEncoding.EncodeToString([]byte(m.Data))
	}
	return "t" + wire.Escape(m.Data)
}

// NextMessage waits for a message with any content.
func (s *Session) NextMessage() Message {
	if !s.wait(Within, func() bool { return len(s.messages) > s.next }) {
		s.T.Fatalf("no message came in %v", Within)
	}
	s.next++
	return s.message(s.next - 1)
}

// WaitMessages waits until n messages have come in all.
func (s *Session) WaitMessages(n int, within time.Duration) {
	if !s.wait(within, func() bool { return len(s.messages) >= n }) {
		s.T.Fatalf("%d messages came in %v, not %d", s.Count(), within, n)
	}
}

// Count counts the messages that came.
func (s *Session) Count() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.messages) }

// ExpectNone checks that no message comes for a while.
func (s *Session) ExpectNone(d time.Duration) {
	if s.wait(d, func() bool { return len(s.messages) > s.next }) {
		s.T.Fatalf("the message %.100q came where none is due", s.message(s.next).line())
	}
}

// WaitClose waits for the server's !close.
func (s *Session) WaitClose() wire.Line {
	if !s.wait(Within, func() bool { return s.closed != nil }) {
		s.T.Break("HF1-CLO-01", "no !close came in %v", Within)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.closed
}
