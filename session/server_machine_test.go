package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

const testKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

// bench is a Table that is given text and time by hand.
type bench struct {
	t   *testing.T
	tab *Table
	now time.Time
	run string
	s   *Session
}

func newBench(t *testing.T, cfg TableConfig) *bench {
	b := &bench{t: t, tab: NewTable(cfg), now: simStart}
	n := 0
	b.tab.machine.random = func() string { n++; return fmt.Sprintf("random%016d", n) }
	b.run = "random0000000000000001"
	return b
}

// first gives the first batch of a new carrier, in which KEY and RUN stand for themselves.
func (b *bench) first(kind transport.Kind, text string) *serverConn {
	b.t.Helper()
	c := &serverConn{kind: kind}
	text = strings.NewReplacer("KEY", testKey, "RUN", b.run).Replace(text)
	s, _ := b.tab.handle(context.Background(), c, simBatch(false, []byte(text)), new(packet), &Peer{OriginOK: true}, b.now)
	if s != nil {
		b.s = s
	}
	return c
}

// next is what the carrier has to say, "" if nothing.
func (b *bench) next(c *serverConn) string {
	if c.s == nil {
		return string(c.ctl)
	}
	var out outBatch
	if !c.s.server.next(c, &out, b.now) {
		return ""
	}
	return string(simBytes(&out))
}

func (b *bench) wants(c *serverConn, parts ...string) {
	b.t.Helper()
	got := b.next(c)
	for _, p := range parts {
		if !strings.Contains(got, p) {
			b.t.Fatalf("%.300q is without %q", got, p)
		}
	}
}

// HF1-BAT-05: a client that has not read opened goes by the default maxBatch.
func TestEarlyMessagesAboveMaxBatch(t *testing.T) {
	b := newBench(t, TableConfig{MaxBatch: 2048})
	line := "t" + strings.Repeat("x", 1500) + "\n"
	c := b.first(transport.KindOpen, `@1 0
!open {"v":[1],"key":"KEY","att":1,"u":1,"recv":0,"lim":{"maxBatch":65536}}
`+strings.Repeat(line, 40))
	b.wants(c, "!opened", `"recv":40`, `"maxBatch":2048`)
}

// HF1-CLO-05: what the final word calls not delivered is not delivered afterwards, and what the application was handed is delivered.
func TestFinalWordHolds(t *testing.T) {
	b := newBench(t, TableConfig{})
	c := b.first(transport.KindOpen, `@1 0
!open {"v":[1],"key":"KEY","att":1,"u":1,"recv":0,"lim":{}}
tone
ttwo
tthree
`)
	b.wants(c, `"recv":3`)
	m := b.s.server
	one, _ := m.in.pop() // the application is busy with it
	m.end(transport.CodeApplication, "", b.now)
	b.now = b.now.Add(15 * time.Second)
	m.step(b.now)
	if m.over == nil {
		t.Fatal("the session lives on after its close's grace")
	}
	b.tab.bury(b.s, b.now)
	b.wants(b.first(transport.KindUp, "@1 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\n"), "!closed", `"recv":1,`)
	m.taken(one, b.now)
	if two, ok := m.in.pop(); ok {
		t.Fatalf("%q was delivered after the final word", two.Data)
	}
	b.wants(b.first(transport.KindUp, "@1 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\n"), "!closed", `"recv":1,`)
}

// I7, HF1-ATT-07: before the client has shown that it knows the session, nothing above 2 KiB is sent: what a path dies of then is not
// remembered, since the client cannot come back to a session that it was never told of.
func TestFirstBatchesAreSmall(t *testing.T) {
	b := newBench(t, TableConfig{})
	c := b.first(transport.KindSocket, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"att\":1,\"u\":1,\"recv\":0,\"lim\":{}}\n")
	for range 10 {
		b.s.server.send(lineText, []byte(strings.Repeat("x", 1500)), b.now)
	}
	for n := 0; ; n++ {
		switch got := b.next(c); {
		case len(got) > 2048:
			t.Fatalf("batch %d has %d bytes", n, len(got))
		case n == 0 && !strings.Contains(got, "!opened"):
			t.Fatalf("got %.60q first", got)
		case got == "" && n < 10:
			t.Fatalf("%d batches for 10 lines", n)
		case got != "":
			continue
		}
		break
	}
	b.s.frame(c, simBatch(false, []byte("@1 0\n!ping {\"i\":1}\n")), new(packet), b.now)
	for range 10 {
		b.s.server.send(lineText, []byte(strings.Repeat("x", 1500)), b.now)
	}
	if got := b.next(c); len(got) < 10_000 {
		t.Fatalf("a batch of %d bytes afterwards", len(got))
	}
}

// HF1-LIV-01: lines that go out again after a time without any, on a new path, make the server ping every 5 s from then on.
func TestReplayPlansPings(t *testing.T) {
	b := newBench(t, TableConfig{Ping: 20 * time.Second})
	b.first(transport.KindOpen, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"att\":1,\"u\":1,\"recv\":0,\"lim\":{}}\n")
	m := b.s.server
	m.send(lineText, []byte("lost"), b.now)
	b.next(b.first(transport.KindPoll, "@1 0\n!poll {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1,\"p\":1,\"recv\":0}\n"))
	b.now = b.now.Add(40 * time.Second)
	m.step(b.now)
	c := b.first(transport.KindSocket, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"run\":\"RUN\",\"att\":2,\"u\":2,\"recv\":0,\"lim\":{}}\n")
	b.wants(c, "!opened", "\ntlost\n")
	if want := b.now.Add(activePing); m.deadline.After(want) {
		t.Fatalf("the next look is in %v", m.deadline.Sub(b.now))
	}
}
