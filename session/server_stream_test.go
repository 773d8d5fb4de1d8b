package session

import (
	"fmt"
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

// HF1-ATT-07: a stream that is ended for what it has carried may have died of that very batch: the position of the next open tells.
func TestEndedStreamShrinksBatches(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.tab.machine.streamMost = 4000
	const again = "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"run\":\"RUN\",\"att\":%d,\"u\":%d,\"recv\":0,\"lim\":{}}\n"
	b.first(transport.KindStream, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"att\":1,\"u\":1,\"recv\":0,\"lim\":{}}\n")
	m := b.s.server
	for range 20 {
		m.send(lineText, []byte(strings.Repeat("x", 1500)), b.now)
	}
	size := 30_000
	for att := 2; att < 5; att++ {
		c := b.first(transport.KindStream, fmt.Sprintf(again, att, att))
		got := len(b.next(c))
		if got < 1000 || got > size+500 { // opened comes on top
			t.Fatalf("open %d brought a batch of %d bytes, want %d at most", att, got, size)
		}
		b.now = b.now.Add(10 * time.Millisecond)
		m.step(b.now)
		size = got / 2
	}
}
