// Package transport is the contract between a session and its transports.
//
// There are three terms. A [Batch] is what is sent and accepted as a whole: it arrives complete or
// not at all. A [Conn] carries batches (the protocol calls it a carrier). It is a WebSocket (many
// batches both ways), an event stream (one batch up, many down) or one POST exchange (one batch up,
// one down). A [Dialer] opens Conns of one transport on the client; on the server the Accept of
// each package does.
//
// A transport knows nothing about sessions: it may lose, repeat, delay or cut batches, and reports
// what it notices as an error of the Conn. It never delivers part of a batch (HF1-BAT-01).
//
// Cancellation: a context given to Dial ends only the dialling; it never ends a Conn that Dial has
// returned. Close unblocks Send and Receive.
package transport

import "context"

// Kind says what a Conn is for. In an HTTP body it is the second word of the first line
// (HF1-HTTP-01).
type Kind string

const (
	KindSocket Kind = "socket" // a WebSocket; this word is never sent
	KindStream Kind = "stream" // POST answered by an event stream
	KindOpen   Kind = "open"   // POST that opens a long-poll attachment
	KindPoll   Kind = "poll"   // POST held until the server has something to send
	KindUp     Kind = "up"     // POST with a batch of the client
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
	// Parts are sent one after another. A received batch has exactly one part, without a BOM at the
	// start and without a CR before LF.
	Parts [][]byte
}

// Len is the size of the batch in bytes, as maxBatch counts it.
func (b Batch) Len() int {
	n := 0
	for _, p := range b.Parts {
		n += len(p)
	}
	return n
}

// Conn carries batches between two peers. One goroutine may Send while another Receives; neither
// may be called twice at the same time. Close may be called by anyone, any number of times.
type Conn interface {
	// Kind says what the Conn is for.
	Kind() Kind
	// Send writes one batch and flushes it. It does not keep the parts. A Conn that has taken its
	// last batch, or was closed, returns an error that is [ErrClosed].
	Send(Batch) error
	// Receive returns the next batch. Its parts and their bytes are valid until the next call of
	// Receive. [io.EOF] means that the peer ended the Conn in the regular way; every other error is
	// a fault of the Conn. Every error is final.
	Receive() (Batch, error)
	// Close ends the Conn within a second, and unblocks Send and Receive: they return [ErrClosed].
	// It interrupts a Send under way, so call it after Send has returned if the last batch is to
	// arrive. The code is sent where the transport has a place for it (a WebSocket close frame).
	// The server's side of an HTTP exchange must be closed before its handler returns.
	Close(code Code, reason string) error
}

// Dialer opens Conns of one transport. Many goroutines may use it at the same time.
type Dialer interface {
	// Dial opens a Conn and sends its first batch: the client always sends first (HF1-WSK-01). For
	// a POST it returns when the answer's header has been read, so for a poll Dial waits until ctx
	// ends or the poll is answered.
	Dial(ctx context.Context, kind Kind, first Batch) (Conn, error)
}
