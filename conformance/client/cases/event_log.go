package cases

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// eventLog holds what happens in a case, until it is known whether the run was honest and is worth
// a trace.
type eventLog struct {
	mu     sync.Mutex
	events []trace.Event
}

// maxEvents bounds the events of a case; a longer one leaves no trace.
const maxEvents = 100_000

func (t *eventLog) add(e trace.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Time = time.Now().UnixMilli(); len(t.events) <= maxEvents {
		t.events = append(t.events, e)
	}
}

// markCalm notes that everything has been delivered by now. It writes a calm into the log behind
// the last send or kill, whose time ends now. The checker then sees for itself whether everything
// has arrived (I7).
func (t *eventLog) markCalm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := 0
	for i, e := range t.events {
		if e.What == "enqueue" || e.What == "kill" {
			last = i + 1
		}
	}
	if last == 0 {
		return
	}
	at := t.events[last-1].Time
	within := max(t.events[len(t.events)-1].Time-at, 1)
	t.events = slices.Insert(t.events, last, trace.Event{Time: at, What: "calm", Within: within})
}

// delivered counts the messages that both applications were given.
func (t *eventLog) delivered() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.events {
		if e.What == "deliver" {
			n++
		}
	}
	return n
}

// checkTrace checks the trace of a case that has passed, if everything in it was honest, and hands
// it on.
func (w *world) checkTrace() {
	if w.c == nil {
		return
	}
	w.c.Forget() // the end belongs to the trace
	forged := false
	w.s.Do(func() { forged = w.s.Forged })
	w.eventLog.mu.Lock()
	events := slices.Clone(w.eventLog.events)
	w.eventLog.mu.Unlock()
	if forged || len(events) == 0 || len(events) > maxEvents {
		return
	}
	report, err := check(cmp.Or(w.trace, w.Case.ID), events)
	if err != nil {
		w.Fatalf("the trace of the run: %v", err)
	}
	for _, v := range report.Violations {
		w.Fatalf("the trace of the run: %s: %+v", v, events[max(0, v.Line-4):v.Line])
	}
	for _, e := range events {
		w.target.Trace.Add(e)
	}
}

// check names the session in the events and checks the invariants on them.
func check(session string, events []trace.Event) (*trace.Report, error) {
	var lines bytes.Buffer
	recorder := trace.NewRecorder(&lines)
	for i := range events {
		events[i].Session = session
		recorder.Add(events[i])
	}
	return trace.Check(&lines)
}

// cut reports whether the middlebox has cut a connection.
func (t *eventLog) cut() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.events, func(e trace.Event) bool { return e.What == "kill" && e.Side == "" })
}
