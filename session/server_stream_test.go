package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/transport"
)

// HF1-SSE-07: after MaxStreamBytes the server asks the client to replace the stream. If the client
// does not, the server ends the stream, and the session goes on.
func TestStreamEnds(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.configure(func(cfg *servermachine.Config) { cfg.MaxStreamBytes = 4000 })
	c := b.first(transport.KindStream, openOne)
	written := func() (all string) {
		for text := b.next(c); text != ""; text = b.next(c) {
			all += text
		}
		return all
	}
	m := &b.s.machine
	for i, want := range []string{"", "", "?move", "", "", `!detach {"code":4003,"gone":true}`} {
		b.send(strings.Repeat("x", 1500))
		got := written()
		b.now = b.now.Add(10 * time.Millisecond)
		b.tick()
		got += written()
		asked := strings.Contains(got, "?move") || strings.Contains(got, "!detach")
		if !strings.Contains(got, want) || want == "" && asked {
			t.Fatalf("with message %d the server wrote %.200q, want %q", i+1, got, want)
		}
	}
	if ended(m) || m.Transport() != "" {
		t.Error("the session has ended, or the stream is still selected")
	}
	again := strings.NewReplacer("@1 0", "@1 6", `"recv":0`, `"recv":6`).Replace(openTwo)
	b.want(b.first(transport.KindStream, again), "!opened")
}

// HF1-ATT-07: when the server ends a stream after MaxStreamBytes, its last batch may be lost. The
// position in the next open shows whether it was.
func TestEndedStreamShrinksBatches(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.configure(func(cfg *servermachine.Config) { cfg.MaxStreamBytes = 4000 })
	const again = "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"run\":\"RUN\",\"att\":%d,\"u\":%d,\"recv\":0,\"lim\":{}}\n"
	b.first(transport.KindStream, openOne)
	for range 20 {
		b.send(strings.Repeat("x", 1500))
	}
	size := 30_000
	for att := 2; att < 5; att++ {
		c := b.first(transport.KindStream, fmt.Sprintf(again, att, att))
		got := len(b.next(c))
		if got < 1000 || got > size+500 { // 500 for opened
			t.Fatalf("the batch after open %d has %d bytes, want %d at most", att, got, size)
		}
		b.now = b.now.Add(10 * time.Millisecond)
		b.tick()
		size = got / 2
	}
}
