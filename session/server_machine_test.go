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

const openOne = "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"att\":1,\"u\":1,\"recv\":0,\"lim\":{}}\n"

func pollText(p int, more string) string {
	return fmt.Sprintf("@1 0\n!poll {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1,\"p\":%d,\"recv\":0}\n%s", p, more)
}

// HF1-LIV-03: a long-poll attachment that says nothing after its last poll was answered is ended.
func TestIdleLongPollIsEnded(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	c := b.first(transport.KindPoll, pollText(1, ""))
	b.s.server.send(lineText, []byte("x"), b.now)
	b.wants(c, "tx\n")
	for range 100 {
		if d := b.s.server.deadline; !d.IsZero() && d.Sub(simStart) < 61*time.Second {
			b.now = d
			b.s.server.step(b.now)
		}
	}
	b.wants(b.first(transport.KindPoll, pollText(2, "")), "!detach", `"gone":true`)
}

// HF1-POL-03: a poll that carries a ping is answered soon, with the pong.
func TestPollWithPing(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	c := b.first(transport.KindPoll, pollText(1, "!ping {\"i\":7}\n"))
	b.now = b.now.Add(50 * time.Millisecond)
	b.s.server.step(b.now)
	b.wants(c, `!pong {"i":7}`)
}

// HF1-ATT-02, HF1-POL-02: an open again of the same attachment ends its polls, and copies of a poll are bounded.
func TestPollsAreOvertaken(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	var hanging []*serverConn
	for range maxCopies + 1 {
		hanging = append(hanging, b.first(transport.KindPoll, pollText(1, "")))
	}
	for i, c := range hanging[:maxCopies] {
		if b.next(c) == "" {
			t.Errorf("copy %d still hangs", i)
		}
	}
	last := hanging[maxCopies]
	if got := b.next(last); got != "" {
		t.Errorf("the newest copy was answered %q", got)
	}
	b.wants(b.first(transport.KindOpen, openOne), "!opened")
	b.wants(last, "!reply")
}

// HF1-ERR-01: a fault on a WebSocket ends its attachment; one of an up request only that exchange.
func TestFaultEndsWhatItShould(t *testing.T) {
	b := newBench(t, TableConfig{})
	ws := b.first(transport.KindSocket, openOne)
	b.wants(ws, "!opened")
	b.s.frame(ws, simBatch(false, []byte("@1 99\n")), new(packet), b.now)
	b.wants(ws, `!refused {"reason":"position"}`)
	if ws.code() != transport.CodeFault {
		t.Errorf("close code %d", ws.code())
	}
	b.wants(b.first(transport.KindSocket, strings.Replace(openOne, `"recv"`, `"run":"RUN","recv"`, 1)), "!detach", `"gone":true`)
}

// HF1-ERR-02: only two attachments of two transports end the session, not a poll and an up of one.
func TestSameFaultTwice(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	up := "@1 99\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\n"
	for range 2 {
		b.wants(b.first(transport.KindUp, up), `!refused {"reason":"position"}`)
		b.wants(b.first(transport.KindPoll, strings.Replace(pollText(1, ""), "@1 0", "@1 99", 1)), `!refused {"reason":"position"}`)
	}
	ws := b.first(transport.KindSocket, strings.Replace(openOne, `"att":1,"u":1`, `"run":"RUN","att":2`, 1))
	b.next(ws)
	b.wants(b.first(transport.KindUp, up), `!refused {"reason":"position"}`)
	b.s.frame(ws, simBatch(false, []byte("@1 99\n")), new(packet), b.now)
	b.wants(ws, "!closed", "4302")
}

// HF1-ERR-05: a control where it does not belong is an error of the batch.
func TestMisplacedControls(t *testing.T) {
	for _, line := range []string{
		`!open {"v":[1],"key":"KEY","att":9,"recv":0,"lim":{}}`, `!reply {"recv":0,"sent":0,"sel":{"u":1,"att":1}}`,
		`!up {"key":"KEY","run":"RUN","att":1}`, `!closed {"code":4100,"reason":"","recv":0,"ack":0}`, `!refused {"reason":"auth"}`,
	} {
		b := newBench(t, TableConfig{})
		b.next(b.first(transport.KindOpen, openOne))
		b.wants(b.first(transport.KindUp, "@1 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\n"+line+"\ntx\n"), `!refused {"reason":"malformed"}`)
		if b.s.server.in.recv != 0 {
			t.Errorf("%s: the batch acted", line)
		}
	}
}

// HF1-CLO-01: the codes and the reason of !close have bounds.
func TestCloseBounds(t *testing.T) {
	for _, c := range []struct {
		code   int
		reason string
		ok     bool
	}{{4100, "", true}, {4399, strings.Repeat("é", 64), true}, {4099, "", false}, {9, "", false}, {4400, "", false}, {4100, strings.Repeat("r", 129), false}} {
		b := newBench(t, TableConfig{})
		b.next(b.first(transport.KindOpen, openOne))
		answer := b.next(b.first(transport.KindUp, fmt.Sprintf("@1 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\n!close {\"code\":%d,\"reason\":%q}\n", c.code, c.reason)))
		if ok := strings.Contains(answer, `"recv":1`); ok != c.ok {
			t.Errorf("close %d %.10q…: %q", c.code, c.reason, answer)
		}
	}
}

// HF1-NUM-12: a message above maxMessage ends the session, since its numbers can never be taken.
func TestMessageAboveTheLimit(t *testing.T) {
	b := newBench(t, TableConfig{MaxMessage: 1024})
	b.next(b.first(transport.KindOpen, openOne))
	b.wants(b.first(transport.KindUp, "@1 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\nt"+strings.Repeat("x", 1025)+"\n"), "!closed", "4304")
}

// A client that asks and does not read is not given memory without end.
func TestPingsUnread(t *testing.T) {
	b := newBench(t, TableConfig{})
	ws := b.first(transport.KindSocket, openOne)
	for i := range 10_000 {
		b.s.frame(ws, simBatch(false, fmt.Appendf(nil, "@1 0\n!ping {\"i\":%d}\n", i)), new(packet), b.now)
	}
	if got := b.next(ws); len(got) > 2*maxUnsaid || !strings.Contains(got, "!pong") {
		t.Fatalf("%d bytes of answers", len(got))
	}
}

// HF1-NUM-10: the window holds also for batches that begin with old lines.
func TestOverrunBehindAnOldLine(t *testing.T) {
	b := newBench(t, TableConfig{MaxMessage: 1024, Window: 8192})
	b.next(b.first(transport.KindOpen, openOne))
	win, line := b.s.server.cfg.win, "t"+strings.Repeat("x", 1000)+"\n"
	for n := 0; n < 100; n++ {
		b.first(transport.KindUp, fmt.Sprintf("@%d 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\n%s%s", max(n, 1), line, line))
	}
	if held := b.s.server.in.held; held > 2*win {
		t.Fatalf("%d bytes held with a window of %d", held, win)
	}
}

// A reader that lags by one message does not make the queue grow.
func TestQueueOfALaggingReader(t *testing.T) {
	var l recvLog
	for n := uint64(1); n < 10_000; n++ {
		l.push(received{Message: Message{Number: n}})
		if n > 1 {
			if r, ok := l.pop(); !ok || r.Number != n-1 {
				t.Fatalf("popped %d, want %d", r.Number, n-1)
			}
		}
	}
	if cap(l.queue) > 8 {
		t.Fatalf("a queue of %d for one message", cap(l.queue))
	}
}

// HF1-POL-03: a poll that ends its own attachment is answered.
func TestPollThatDetaches(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	b.wants(b.first(transport.KindPoll, pollText(1, "!detach {\"code\":4004}\n")), "!detach", `"gone":true`)
}

// HF1-POL-02: each copy of a poll gets what the path has to say.
func TestCopiesOfAPollAgree(t *testing.T) {
	b := newBench(t, TableConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	one, two := b.first(transport.KindPoll, pollText(1, "")), b.first(transport.KindPoll, pollText(1, ""))
	b.next(b.first(transport.KindSocket, strings.Replace(openOne, `"att":1,"u":1`, `"run":"RUN","att":2,"u":2`, 1)))
	b.wants(one, `!detach {"code":4001}`)
	b.wants(two, `!detach {"code":4001}`)
}

// HF1-WHO-11: an ended session has no second life, whoever asks.
func TestNoSecondLife(t *testing.T) {
	who := "alice"
	b := newBench(t, TableConfig{Authenticate: func(context.Context, *Handshake) (string, error) { return who, nil }})
	b.next(b.first(transport.KindOpen, openOne))
	m := b.s.server
	m.finish(ending{code: transport.CodeDone})
	b.tab.bury(b.s, b.now)
	who = "bob"
	b.wants(b.first(transport.KindOpen, openOne), `!refused {"reason":"unknown"}`)
	who = "alice"
	b.wants(b.first(transport.KindOpen, openOne), "!closed")
}

// HF1-NUM-09: an open with a position in a session that is not there makes none.
func TestImpossibleFirstPosition(t *testing.T) {
	b := newBench(t, TableConfig{OnSession: func(*Session) { t.Error("a session was made") }})
	b.wants(b.first(transport.KindOpen, strings.Replace(openOne, "@1 0", "@1 5", 1)), `!refused {"reason":"position"}`)
	if b.tab.Len() != 0 {
		t.Error("a session was made")
	}
}

// HF1-ATT-07: a path that is ended because its client was silent died with what was under way.
func TestSilentPathShrinksBatches(t *testing.T) {
	b := newBench(t, TableConfig{Ping: 5 * time.Second})
	first := b.first(transport.KindSocket, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"att\":1,\"u\":1,\"recv\":0,\"lim\":{}}\n")
	b.wants(first, "!opened")
	b.s.frame(first, simBatch(false, []byte("@1 0\n!ping {\"i\":1}\n")), new(packet), b.now)
	m := b.s.server
	for range 20 {
		m.send(lineText, []byte(strings.Repeat("x", 1500)), b.now)
	}
	size := len(b.next(first))
	for range 5 {
		b.now = b.now.Add(5 * time.Second)
		m.step(b.now)
		b.next(first)
	}
	if m.sel != nil {
		t.Fatal("the silent path is still there")
	}
	second := b.first(transport.KindSocket, "@1 0\n!open {\"v\":[1],\"key\":\"KEY\",\"run\":\"RUN\",\"att\":2,\"u\":2,\"recv\":0,\"lim\":{}}\n")
	if got := len(b.next(second)); got > size/2 {
		t.Fatalf("a batch of %d bytes after one of %d was lost", got, size)
	}
}

// At the bound of MaxRetained a session that brings more while a quarter of its window is untaken is ended, and one that holds little goes on.
func TestServerHoldsAllItMay(t *testing.T) {
	b := newBench(t, TableConfig{MaxMessage: 1024, Window: 8192, MaxRetained: 1})
	b.next(b.first(transport.KindOpen, openOne))
	b.tab.retained.Store(2)
	answer, n := "", 1
	for ; n < 20 && !strings.Contains(answer, "!closed"); n++ {
		answer = b.next(b.first(transport.KindUp, fmt.Sprintf("@%d 0\n!up {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1}\nt%s\n", n, strings.Repeat("x", 1000))))
	}
	if !strings.Contains(answer, "4203") || n < 3 {
		t.Fatalf("after %d messages: %q", n-1, answer)
	}
}
