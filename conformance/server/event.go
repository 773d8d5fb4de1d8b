package server

import (
	"errors"
	"fmt"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Event is a batch that came, or the end of a carrier.
type Event struct {
	// On is what brought it: ws, sse, poll, up, open.
	On string
	// Batch is nil at the end of a carrier.
	Batch *wire.Batch
	// Binary tells the binary form.
	Binary bool
	// Err is why the carrier ended: io.EOF, a *wire.Error, a *StatusError or the network's.
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

// breaks tells the requirement that an event itself breaks, "" if none.
func (e Event) breaks() (requirement, text string) {
	var w *wire.Error
	if errors.As(e.Err, &w) {
		return w.Requirement, w.Text
	}
	return "", ""
}
