package session

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// HF1-SSE-07: a stream that has carried enough is asked to be replaced, and one whose client does not is ended; the session goes on.
func TestStreamEnds(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.tab.machine.streamMost = 4000
	c := b.first(transport.KindStream, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"att\":1,\"u\":1,\"recv\":0,\"lim\":{}}\n")
	said := func() (all string) {
		for text := b.next(c); text != ""; text = b.next(c) {
			all += text
		}
		return all
	}
	m := b.s.server
	for i, want := range []string{"", "", "?move", "", "", `!detach {"code":4003,"gone":true}`} {
		m.send(lineText, []byte(strings.Repeat("x", 1500)), b.now)
		got := said()
		b.now = b.now.Add(10 * time.Millisecond)
		m.step(b.now)
		got += said()
		if !strings.Contains(got, want) || want == "" && (strings.Contains(got, "?move") || strings.Contains(got, "!detach")) {
			t.Fatalf("with message %d %.200q came, want %q", i+1, got, want)
		}
	}
	if m.over != nil || m.sel != nil {
		t.Error("the session has ended, or still sends there")
	}
	b.wants(b.first(transport.KindStream, "@1 6\n!open {\"v\":[1],\"key\":\"KEY\",\"run\":\"RUN\",\"att\":2,\"u\":2,\"recv\":6,\"lim\":{}}\n"), "!opened")
}
