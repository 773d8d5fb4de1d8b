package suite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// T is one run of a case. Break, Fatalf and Skipf end it, and must be called on the goroutine of
// Run; Logf may be called by any.
type T struct {
	// Case is the case that runs.
	Case *Case
	// Target is what is tested; its type depends on the role.
	Target any
	// Rand gives the same numbers for the same seed.
	Rand *rand.Rand

	ctx      context.Context
	mu       sync.Mutex
	log      []string
	start    time.Time
	cleanups []func()
}

// maxLog bounds the lines that a run keeps; the last ones are kept.
const maxLog = 200

// stopped ends a run from within.
type stopped struct {
	skipped     bool
	requirement string
	text        string
}

// Context ends when the case's time is over.
func (t *T) Context() context.Context { return t.ctx }

// Logf notes something that is shown if the case fails.
func (t *T) Logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.log) == maxLog {
		t.log = append(t.log[:0], t.log[1:]...)
	}
	s := fmt.Sprintf(format, args...)
	if len(s) > 600 {
		s = strings.ToValidUTF8(s[:600], "") + " …"
	}
	t.log = append(t.log, fmt.Sprintf("%7.3f  %s", time.Since(t.start).Seconds(), s))
}

// Cleanup calls f when the case has ended, the last one given first. Any goroutine of the case may
// call it before Run returns.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Break fails the case: that requirement is broken.
func (t *T) Break(requirement, format string, args ...any) {
	panic(stopped{requirement: requirement, text: fmt.Sprintf(format, args...)})
}

// Fatalf fails the case: its first requirement is broken.
func (t *T) Fatalf(format string, args ...any) {
	panic(stopped{requirement: t.Case.Requirements[0], text: fmt.Sprintf(format, args...)})
}

// Skipf ends the case without a verdict, with the reason.
func (t *T) Skipf(format string, args ...any) {
	panic(stopped{skipped: true, text: fmt.Sprintf(format, args...)})
}

// Sleep waits; it ends early with the case's time.
func (t *T) Sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.ctx.Done():
		t.Fatalf("the case's time is over")
	}
}

// run runs the case to its end and reports how it went.
func (t *T) run(limit time.Duration) (r Result) {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	t.ctx, t.start = ctx, time.Now()
	r = Result{Case: t.Case, Status: Passed}
	over := make(chan stopped, 1)
	go func() {
		defer func() {
			switch v := recover().(type) {
			case nil:
				over <- stopped{}
			case stopped:
				over <- v
			default: // a fault of the suite itself; the other cases go on
				over <- stopped{
					requirement: t.Case.Requirements[0],
					text:        fmt.Sprintf("the suite panicked: %v\n%s", v, debug.Stack()),
				}
			}
		}()
		defer t.clean() // what the case has left open is closed before it ends
		t.Case.Run(t)
	}()
	var s stopped
	select {
	case s = <-over:
	case <-ctx.Done():
		select {
		case s = <-over:
		case <-time.After(2 * time.Second): // a wait for ctx ends by itself, and reports what it waited for
			s = stopped{requirement: t.Case.Requirements[0], text: "the case did not end in its time"}
		}
	}
	r.Took = time.Since(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case s == (stopped{}):
	case s.skipped:
		r.Status, r.Message = Skipped, s.text
	default:
		r.Status, r.Requirement, r.Message, r.Log = Failed, s.requirement, s.text, t.log
	}
	return r
}

func (t *T) clean() {
	t.mu.Lock()
	all := t.cleanups
	t.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i]()
	}
}
