package transport

import (
	"errors"
	"fmt"
	"net"
	"net/http"
)

var (
	// ErrClosed is returned by a Conn that was closed on this side or can take no more batches.
	ErrClosed = net.ErrClosed
	// ErrTooLarge says that a batch is above the limit; nothing of it was delivered (HF1-BAT-05).
	ErrTooLarge = errors.New("transport: batch above the limit")
	// ErrGarbled says that the data received is not holdfast: no preamble, another nonce, a wrong
	// content type, not UTF-8.
	ErrGarbled = errors.New("transport: not a holdfast body")
	// ErrTruncated says that a batch or a body ended before its end line.
	ErrTruncated = errors.New("transport: body ended early")
	// ErrSlow says that a body came more slowly than the minimum rate.
	ErrSlow = errors.New("transport: body too slow")
	// ErrMedia says that a request has a content coding or a content type that is not accepted.
	ErrMedia = errors.New("transport: content coding or type not accepted")
	// ErrBinary says that a binary batch was given to a Conn that takes text only (HF1-BAT-14).
	ErrBinary = errors.New("transport: binary batch on a carrier of text")
)

// StatusError is an HTTP answer other than the one expected. On the client it is a fault of the
// Conn, whatever the number is (I4, HF1-HTTP-04). On the server it is the answer to a refused
// handshake, see [HTTPStatus].
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("transport: HTTP status %d", e.Status) }

// Busy reports whether the answer says that no more requests are taken for now: 429 or 503 (RFC
// 6585 section 4, RFC 9110 section 15.6.4).
func (e *StatusError) Busy() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// CloseError is a close code of holdfast that the peer put into a WebSocket close frame. It ends
// the Conn and says nothing about the session (HF1-CLO-02).
type CloseError struct {
	Code   Code
	Reason string // at most 123 bytes, chosen by the peer: quote it in logs
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("transport: closed by the peer: %d %q", e.Code, e.Reason)
}
