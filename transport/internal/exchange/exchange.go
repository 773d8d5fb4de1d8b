// Package exchange guards one HTTP response that is written by one goroutine and may be ended by
// another.
package exchange

import (
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// DefaultWriteTimeout bounds one write where no other time is given.
const DefaultWriteTimeout = 30 * time.Second

// past is a deadline that ends a write at once.
var past = time.Unix(1, 0)

// Writer is an http.ResponseWriter that takes one write at a time, each under a deadline, until it
// is closed.
//
// Close returns only when no write is under way, and none starts afterwards. So when a handler
// closes before it returns, nobody else touches its ResponseWriter, which may belong to another
// request by then.
type Writer struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration

	slot  chan struct{} // holds one token during a write, and for ever after Close
	done  chan struct{} // closed by Close
	close sync.Once
}

// New returns a Writer over w. It fails with [http.ErrNotSupported] where w cannot set a deadline:
// then a peer that does not read could block a writer for ever.
func New(w http.ResponseWriter, timeout time.Duration) (*Writer, error) {
	rc := http.NewResponseController(w)
	if err := rc.SetWriteDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if timeout <= 0 {
		timeout = DefaultWriteTimeout
	}
	return &Writer{w: w, rc: rc, timeout: timeout, slot: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// Done is closed when Close is called.
func (e *Writer) Done() <-chan struct{} { return e.done }

// Write lets f write and flushes. It returns [transport.ErrClosed] once the Writer is closed, also
// when Close interrupted the write.
func (e *Writer) Write(f func(http.ResponseWriter) error) error {
	select {
	case e.slot <- struct{}{}:
	case <-e.done:
		return transport.ErrClosed
	}
	defer func() { <-e.slot }()
	// Set the deadline first, then check done. Close does the two in the other order, so that its
	// own deadline is the last one.
	err := e.rc.SetWriteDeadline(time.Now().Add(e.timeout))
	if e.Closed() {
		return transport.ErrClosed
	}
	if err == nil {
		err = f(e.w)
	}
	if err == nil {
		err = e.rc.Flush()
	}
	// Without this, HTTP/2 would reset an idle stream when the deadline passes.
	_ = e.rc.SetWriteDeadline(time.Time{})
	if err != nil && e.Closed() {
		return transport.ErrClosed
	}
	return err
}

// Close interrupts a write that is under way and lets no other start. It may be called by anyone,
// any number of times.
func (e *Writer) Close() {
	e.close.Do(func() {
		close(e.done)
		select {
		case e.slot <- struct{}{}:
			// Nobody writes now. This bounds what net/http itself writes at the end of the handler.
			_ = e.rc.SetWriteDeadline(time.Now().Add(e.timeout))
		default:
			_ = e.rc.SetWriteDeadline(past)
			e.slot <- struct{}{}
		}
	})
}

// Closed reports whether Close has been called.
func (e *Writer) Closed() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}
