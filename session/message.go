package session

import (
	"errors"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// Message is a message to the peer, or from it.
type Message struct {
	// Data belongs to the receiver. It is UTF-8 if Binary is false.
	Data []byte
	// Binary tells a binary message from a text.
	Binary bool
	// Number is the place of a received message in the peer's log (of its last line). With the
	// session's id it makes an idempotency key.
	Number uint64
}

// Text makes a text message.
func Text(s string) Message { return Message{Data: []byte(s)} }

// Binary makes a binary message.
func Binary(b []byte) Message { return Message{Data: b, Binary: true} }

var (
	// ErrFull says that the session's own bound of unacknowledged bytes is reached.
	ErrFull = errors.New("session: send log is full")
	// ErrServerFull says that all sessions of the server together keep as much as they may
	// (RegistryConfig.MaxRetained). It does not say that this one holds much.
	ErrServerFull = errors.New("session: the server keeps all it may")
	// ErrTooLarge says that a message is above the session's maxMessage.
	ErrTooLarge = errors.New("session: message too large")
	// ErrNotText says that a text message is not UTF-8 (HF1-BAT-07).
	ErrNotText = errors.New("session: text is not UTF-8")
)

// ProtocolError says which rule of docs/protocol.md a peer broke.
type ProtocolError = wire.ProtocolError

// messageOf is what the application is given.
func messageOf(r logs.Received) Message {
	return Message{Data: r.Data, Binary: r.Binary, Number: r.Number}
}
