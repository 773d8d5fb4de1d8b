package session

import (
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/transport"
)

// Session is one end of a session: the server's or the client's. Its methods may be called by many
// goroutines at once. Messages are received either with Receive or with OnMessage, not with both.
type Session struct {
	mu      sync.Mutex
	core    core // decides; under mu
	runtime runtime

	onMessage  func(Message)
	onClose    func(End)
	onWritable func()
	deliverer  func() // deliver, kept so that starting it allocates nothing; nil in a session that never delivered
	delivering bool
	closeTold  bool // onClose was called
	endNoted   bool // the runtime was told of the end
	full       bool // TrySend has found no room

	room    chan struct{} // closed when there may be room in the log; nil when nobody waits
	arrival chan struct{} // closed when there may be something to receive; nil when nobody waits
	acked   uint64        // as it was when room was last looked at
	done    chan struct{}
	value   any
}

// core is what a Session needs of the machine of either end. All under the Session's lock.
type core interface {
	ID() string
	Transport() string

	Send(e logs.Encoded, now time.Time) uint64
	Bounds() (buffer int64, maxMessage int)
	Buffered() int64
	Sent() uint64
	Acked() uint64

	Waiting() bool
	CloseIsNext() bool
	Pop() (logs.Received, bool)
	Taken(r logs.Received, now time.Time)

	Close(code transport.Code, reason string, now time.Time)
	End(code transport.Code, reason string)
	Closing() bool
	Ended() bool
	Ending() (machine.Ending, bool)
	Fate() (sent, delivered uint64, exact bool)
}

// runtime is what differs between the two ends: it does what their machines ask for.
type runtime interface {
	// take hands out what the machine asks for. Under the session's lock.
	take() effects
	// do does it, without the lock. It may call back, and must not wait.
	do(effects)
	// admits tells whether the process has room for one more message.
	admits() bool
	// counted tells that a message went up or down.
	counted(ObservationKind)
	// about is what is known of the client, nothing at the client itself.
	about() about
	// panicked is told of a panic in a callback of the application.
	panicked(callback string, value any)
	// closedLocally is called when the application has closed the session, perhaps one that has
	// ended.
	closedLocally()
	wake()
	setOnline(bool)
}

// effects is what is to be done after the lock is released: it may block or call back.
type effects struct {
	server   servermachine.Effects
	client   []clientmachine.Effect
	deadline time.Time
	ended    bool // the session has ended with this event
	deliver  bool
	writable func()
}

// about is what a server knows of a session's client. It does not change.
type about struct {
	principal string
	origin    string
	meta      []byte
	header    http.Header
}

// ID is the session's public name, derived from its key. It may be shown and logged. A client knows
// it once it is open.
func (s *Session) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.ID()
}

// Principal is who the session belongs to, as Authenticate said. "" is anonymous, and every
// client's.
func (s *Session) Principal() string { return s.runtime.about().principal }

// Meta is what the client sent as "meta" when it first opened the session, nil if nothing.
func (s *Session) Meta() []byte { return s.runtime.about().meta }

// Origin is the Origin of the request that created a server's session, "" if it had none, and every
// client's.
func (s *Session) Origin() string { return s.runtime.about().origin }

// Header has those headers of the request that opened the session first that
// RegistryConfig.KeepHeaders names, nil if it names none. It must not be changed.
func (s *Session) Header() http.Header { return s.runtime.about().header }

// Transport names what carries the session at this moment, "" while nothing does.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Transport()
}

// SetValue keeps a value of the application's with the session.
func (s *Session) SetValue(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
}

// Value returns what SetValue kept.
func (s *Session) Value() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// Wake tells a client's session that the process or its network has come back, so that it looks at
// once whether what carries it still lives, and does not wait out a back-off. A process that slept
// through a deadline notices by itself. A server's session takes no notice.
func (s *Session) Wake() { s.runtime.wake() }

// SetOnline tells a client's session what the platform knows of the network: while there is none no
// transport is blamed for failing, and when there is one again the session wakes. A server's
// session takes no notice.
func (s *Session) SetOnline(online bool) { s.runtime.setOnline(online) }
