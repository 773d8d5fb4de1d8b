package cases

import (
	"testing"

	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// TestSettled checks that a message which was sent before the last kill and did not arrive is
// found, whenever the session ended.
func TestSettled(t *testing.T) {
	run := func(last trace.Event) []trace.Violation {
		var s eventLog
		for _, e := range []trace.Event{
			{Side: "server", What: "attach", Att: 1},
			{Side: "client", What: "enqueue", Number: 1, Digest: "aa"},
			{Side: "server", What: "enqueue", Number: 1, Digest: "bb"},
			{Side: "server", What: "deliver", Number: 1, Digest: "aa"},
			{What: "kill"},
			last,
		} {
			s.add(e)
		}
		s.events[len(s.events)-1].Time += 5
		s.markCalm()
		s.add(trace.Event{Side: "client", What: "end", Cause: "closed"})
		s.events[len(s.events)-1].Time += 10
		report, err := check("s", s.events)
		if err != nil {
			t.Fatal(err)
		}
		return report.Violations
	}
	if v := run(trace.Event{Side: "client", What: "deliver", Number: 1, Digest: "bb"}); len(v) > 0 {
		t.Errorf("all has arrived: %v", v)
	}
	if v := run(trace.Event{Side: "client", What: "ack", Number: 1}); len(v) != 1 || v[0].Invariant != "I7" {
		t.Errorf("the server's message has not arrived: %v", v)
	}
	if v := run(trace.Event{Side: "client", What: "free", Number: 1}); len(v) == 0 || v[0].Invariant != "I2" {
		t.Errorf("freed without an ack: %v", v)
	}
}
