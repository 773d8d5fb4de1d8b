package transport

import (
	"errors"
	"fmt"
	"net"
)

var (
	// ErrClosed is returned by a Conn that was closed on this side or can take no more batches.
	ErrClosed = net.ErrClosed
	// ErrTooLarge says that a batch is above the limit; nothing of it was delivered (HF1-BAT-05).
	ErrTooLarge = errors.New("transport: batch above the limit")
	// ErrGarbled says that what came is not ours: no preamble, another nonce, a wrong content type, not UTF-8.
	ErrGarbled = errors.New("transport: not a holdfast body")
	// ErrTruncated says that a batch or a body ended before its end line.
	ErrTruncated = errors.New("transport: body ended early")
	// ErrSlow says that a body came slower than the floor.
	ErrSlow = errors.New("transport: body too slow")
)

// StatusError is an HTTP answer other than the one expected. It is a fault of the carrier, whatever the number says (I4).
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("transport: HTTP status %d", e.Status) }
