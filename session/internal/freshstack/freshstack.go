// Package freshstack runs what needs a deep stack on a goroutine of its own. Stacks hardly shrink:
// a goroutine that is to wait for long would keep its deep stack for as long.
package freshstack

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// Panic is what a function panicked with on its goroutine, and the stack it had there.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Run runs f on another goroutine and waits for it. A panic of f goes on here, as a [*Panic], since
// nobody recovers it there: it would end the process. Only [http.ErrAbortHandler] goes on as
// itself, as net/http wants it. A runtime.Goexit of f ends f only.
func Run(f func()) {
	done := make(chan any)
	go func() {
		defer close(done)
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				done <- v
			default:
				done <- &Panic{v, debug.Stack()}
			}
		}()
		f()
	}()
	if v := <-done; v != nil {
		panic(v)
	}
}
