package clientmachine

import "encoding/json"

// Config is what the application chose. A machine copies it.
type Config struct {
	// Key is the session's secret.
	Key string
	// Transports are the names of the transports, best first.
	Transports []string
	// MaxBatch is the largest batch taken, MaxMessage the largest message taken, in bytes.
	MaxBatch, MaxMessage int
	// Buffer bounds the window bytes sent and not acknowledged.
	Buffer int64
	// Window bounds the window bytes in flight until the server has told its own bound.
	Window int64
	// Auth and Meta go with every open.
	Auth, Meta json.RawMessage
	// AwaitAuth: nothing is sent before Authorized was called.
	AwaitAuth bool
	// Random draws a number in [0, 1).
	Random func() float64
	// Memory is what an earlier session has learned here, as it was given out. Remembers says that
	// this one gives out what it learns.
	Memory    []byte
	Remembers bool
}
