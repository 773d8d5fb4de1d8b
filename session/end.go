package session

import (
	"errors"
	"fmt"

	"github.com/holdfast-rt/holdfast/transport"
)

// End tells how a session ended, and the fate of what this side sent (HF1-CLO-05).
type End struct {
	// Code is the close code; its hundred tells whether a new session is welcome.
	Code transport.Code
	// Reason is the words of whoever ended it.
	Reason string
	// Remote says that the peer ended it.
	Remote bool
	// Sent is the number of the last message sent.
	Sent uint64
	// Delivered is the highest number that the peer's application is known to have taken: every
	// message up to it was delivered.
	Delivered uint64
	// Exact says that every message above Delivered was not delivered. Otherwise their fate is
	// unknown.
	Exact bool
}

// EndError is the error of calls on a session that has ended.
type EndError struct{ End }

func (e *EndError) Error() string {
	return fmt.Sprintf("session: ended %d %q (delivered %d of %d)", e.Code, e.Reason, e.Delivered, e.Sent)
}

var (
	// ErrAuth is for Auth of a client: wrapped in its error it says that there are no credentials
	// and will be none. The session then ends, 4301.
	ErrAuth = errors.New("session: no credentials")
	// ErrCloseCode says that a session cannot be closed with that code: the application's are 4100
	// to 4399 (HF1-CLO-01).
	ErrCloseCode = errors.New("session: close code outside 4100 to 4399")
	// ErrCloseReason says that the reason of a close is above 128 bytes, or not UTF-8 (HF1-CLO-01).
	ErrCloseReason = errors.New("session: close reason above 128 bytes, or not UTF-8")
)
