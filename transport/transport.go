// Package transport is the contract between a session and what carries it.
//
// Three nouns. A [Batch] is the unit of sending and of acceptance: it arrives whole or not at all.
// A [Conn] is one carrier of batches: a WebSocket (many batches both ways), an event stream (one
// batch up, many down) or one POST exchange (one batch up, one down). A [Dialer] opens carriers of
// one transport from the client's side; the server's side is each package's Accept.
//
// A transport knows nothing of sessions: it may lose, repeat, delay or cut, and reports that as an
// error of the Conn. It never delivers part of a batch (HF1-BAT-01).
//
// Cancellation: a context given to Dial ends the dialling only; it never ends a Conn that Dial has
// returned. Close unblocks Send and Receive.
package transport

import "context"

// Kind says what a carrier is asked to do. On HTTP it is the second word of the body's first line
// (HF1-HTTP-01).
type Kind string

const (
	KindSocket Kind = "socket" // a WebSocket; not a word of the wire
	KindStream Kind = "stream" // POST answered by an event stream
	KindOpen   Kind = "open"   // POST that opens a long-poll attachment
	KindPoll   Kind = "poll"   // POST held until there is something to say
	KindUp     Kind = "up"     // POST that carries the client's batch
)

// Transport names, as they appear in metrics, logs and the client's API.
const (
	WebSocket = "websocket"
	SSE       = "sse"
	LongPoll  = "longpoll"
)

// Batch is one batch in its wire form: for text, complete lines each ended by LF (the head line
// first), without the HTTP preamble and end line, which belong to the transports; for binary, a
// head line, LF and raw bytes.
type Batch struct {
	Binary bool // a WebSocket binary frame; HTTP transports refuse it
	// concatenated on the wire; a received batch has exactly one part, without a BOM in front and
	// CRs before LF
	Parts [][]byte
}

// Len is the size of the batch in bytes, as counted against maxBatch.
func (b Batch) Len() int {
	n := 0
	for _, p := range b.Parts {
		n += len(p)
	}
	return n
}

// Conn is one carrier. One goroutine may Send while another Receives; neither may be called twice
// at once. Close may be called by anyone, any number of times.
type Conn interface {
	// Kind tells what the carrier is.
	Kind() Kind
	// Send writes one batch and flushes it. It does not keep the parts. A carrier that has taken
	// its last batch, or was closed, returns an error that is [ErrClosed].
	Send(Batch) error
	// Receive returns the next batch. Its parts and their bytes are valid until the next call of
	// Receive. [io.EOF] says that the peer ended the carrier in its regular way; every other error
	// is a fault of the carrier. Every error is final.
	Receive() (Batch, error)
	// Close ends the carrier, within a second, and unblocks Send and Receive: they return
	// [ErrClosed]. A Send under way is cut, so who wants the last batch to arrive closes after Send
	// has returned. The code travels where the transport has a place for it (a WebSocket close
	// frame). The server's side of an HTTP exchange must be closed before its handler returns.
	Close(code Code, reason string) error
}

// Dialer opens carriers of one transport. It may be used by many goroutines at once.
type Dialer interface {
	// Dial opens a carrier and sends its first batch: the client always speaks first (HF1-WSK-01).
	// For a POST it returns when the answer's header has come, so a poll keeps Dial waiting until
	// ctx ends or the poll is answered.
	Dial(ctx context.Context, kind Kind, first Batch) (Conn, error)
}
