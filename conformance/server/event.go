package server

import (
	"errors"
	"fmt"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Event is a batch that came, or the end of a connection.
type Event struct {
	// On says what brought it: ws, sse, poll, up, open.
	On string
	// Batch is nil at the end of a connection.
	Batch *wire.Batch
	// Binary is true for the binary form.
	Binary bool
	// Err is why the connection ended: io.EOF, a *wire.Error, a *StatusError or an error of the
	// network.
	Err error
	// Code is the close code of a WebSocket that the server ended, 0 if there was none.
	Code int

	from uint64 // of a poll: the line that its answer must begin with, if it has lines
}

// String shows the event for people.
func (e Event) String() string {
	if e.Batch != nil {
		return "← " + e.On + " " + e.Batch.String()
	}
	return fmt.Sprintf("← %s ended: %v, code %d", e.On, e.Err, e.Code)
}

// StatusError is an HTTP answer that is not 200.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP status %d", e.Status) }

// breaks returns the requirement that the event itself breaks, "" if none.
func (e Event) breaks() (requirement, text string) {
	var w *wire.Error
	if errors.As(e.Err, &w) {
		return w.Requirement, w.Text
	}
	return "", ""
}
