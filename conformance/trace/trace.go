// Package trace records what happens to sessions as JSON lines, and checks the seven invariants of
// docs/protocol.md on them. It serves the suite's own runs and traces of deployed systems.
package trace

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Event is one line of a trace. Which fields count depends on What:
//
//	enqueue  the application of Side has sent the message Number, Digest
//	deliver  the application of Side was given the message Number, Digest, of its peer
//	ack      Side has learned that its peer has taken its messages up to Number
//	free     Side no longer keeps its messages up to Number
//	attach   an attachment Att is open; Position is what the receiver stated for the log of Side;
//	         there may be several, one for each position stated
//	lines    Side has sent the lines First to Number on the attachment Att
//	use      the attachment Att was selected by U
//	kill     the attachment Att is gone; without Att, a connection of any side was cut
//	end      Side takes the session as ended. Causes of the protocol are close, closed, refused,
//	         ttl and local
//	calm     from now on some path passes batches both ways; what was sent before has to arrive
//	         within Within ms (default 100,000)
type Event struct {
	Time     int64  `json:"time"` // ms, from any start that all sides of a trace share
	Session  string `json:"session"`
	Side     string `json:"side,omitempty"` // client or server
	What     string `json:"what"`
	Number   uint64 `json:"number,omitempty"`
	First    uint64 `json:"first,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Att      uint64 `json:"att,omitempty"`
	U        uint64 `json:"u,omitempty"`
	Position uint64 `json:"position,omitempty"`
	Cause    string `json:"cause,omitempty"`
	Within   int64  `json:"within,omitempty"`
}

// Digest is the digest of a message: 12 hexadecimal digits of the SHA-256 of `t` or `b` and its
// bytes. It does not reveal the payload.
func Digest(data string, binary bool) string {
	kind := "t"
	if binary {
		kind = "b"
	}
	sum := sha256.Sum256([]byte(kind + data))
	return hex.EncodeToString(sum[:6])
}

// Recorder writes events as they happen. Its methods may be called concurrently; a nil Recorder
// records nothing.
type Recorder struct {
	mu    sync.Mutex
	out   *json.Encoder
	began time.Time
}

// NewRecorder writes to w.
func NewRecorder(w io.Writer) *Recorder {
	return &Recorder{out: json.NewEncoder(w), began: time.Now()}
}

// Add records an event. If the event has no time, it gets the present one.
func (r *Recorder) Add(e Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Time == 0 {
		e.Time = time.Since(r.began).Milliseconds()
	}
	_ = r.out.Encode(e) // an error shows as a trace that ends too early
}
