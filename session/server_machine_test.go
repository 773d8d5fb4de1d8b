package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/transport"
)

// HF1-BAT-05: a client that has not read opened uses the default maxBatch.
func TestEarlyMessagesAboveMaxBatch(t *testing.T) {
	b := newBench(t, RegistryConfig{MaxBatch: 2048})
	line := "t" + strings.Repeat("x", 1500) + "\n"
	c := b.first(transport.KindOpen, `@1 0
!open {"v":[1],"key":"KEY","att":1,"u":1,"recv":0,"lim":{"maxBatch":65536}}
`+strings.Repeat(line, 40))
	b.want(c, "!opened", `"recv":40`, `"maxBatch":2048`)
}

// HF1-CLO-05: what closed counts as not delivered must not be delivered later. What the application
// has taken counts as delivered.
func TestClosedIsFinal(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	c := b.first(transport.KindOpen, `@1 0
!open {"v":[1],"key":"KEY","att":1,"u":1,"recv":0,"lim":{}}
tone
ttwo
tthree
`)
	b.want(c, `"recv":3`)
	m := &b.s.machine
	one, _ := m.Pop() // the application is busy with it
	m.Close(transport.CodeApplication, "", b.now)
	b.now = b.now.Add(15 * time.Second)
	b.tick()
	if !ended(m) {
		t.Fatal("the session did not end after the time that a close may take")
	}
	b.registry.remove(b.s, b.now)
	b.want(b.first(transport.KindUp, upOne), "!closed", `"recv":1,`)
	m.Taken(one, b.now)
	if two, ok := m.Pop(); ok {
		t.Fatalf("%q was delivered after closed", two.Data)
	}
	b.want(b.first(transport.KindUp, upOne), "!closed", `"recv":1,`)
}

// I7, HF1-ATT-07: until the client has shown that it knows the run, batches have 2 KiB at most. If
// a larger one ended the attachment, nothing could be learned from it: a client that has not read
// opened does not come back to this session.
func TestFirstBatchesAreSmall(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	c := b.first(transport.KindSocket, openOne)
	for range 10 {
		b.send(strings.Repeat("x", 1500))
	}
	for n := 0; ; n++ {
		switch got := b.next(c); {
		case len(got) > 2048:
			t.Fatalf("batch %d has %d bytes", n, len(got))
		case n == 0 && !strings.Contains(got, "!opened"):
			t.Fatalf("the first batch is %.60q, want opened", got)
		case got == "" && n < 10:
			t.Fatalf("%d batches for 10 lines", n)
		case got != "":
			continue
		}
		break
	}
	b.frame(c, "@1 0\n!ping {\"i\":1}\n")
	for range 10 {
		b.send(strings.Repeat("x", 1500))
	}
	if got := b.next(c); len(got) < 10_000 {
		t.Fatalf("after the client's ping a batch has %d bytes, want 10,000 at least", len(got))
	}
}

// HF1-LIV-01: lines that are sent again on a new attachment, after a silence, make the server ping
// every 5 s from then on.
func TestReplayPlansPings(t *testing.T) {
	b := newBench(t, RegistryConfig{Ping: 20 * time.Second})
	b.first(transport.KindOpen, openOne)
	m := &b.s.machine
	b.send("lost")
	b.next(b.first(transport.KindPoll, "@1 0\n!poll {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1,\"p\":1,\"recv\":0}\n"))
	b.now = b.now.Add(40 * time.Second)
	b.tick()
	c := b.first(transport.KindSocket, openTwo)
	b.want(c, "!opened", "\ntlost\n")
	if want := b.now.Add(5 * time.Second); m.Deadline().After(want) {
		t.Fatalf("the machine's deadline is in %v, want 5 s at most", m.Deadline().Sub(b.now))
	}
}

// HF1-ERR-01: a protocol error on a WebSocket ends its attachment, one in a POST only that POST.
func TestFaultOnWebSocketEndsAttachment(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	ws := b.first(transport.KindSocket, openOne)
	b.want(ws, "!opened")
	b.frame(ws, "@1 99\n")
	b.want(ws, `!refused {"reason":"position"}`)
	if ws.CloseCode() != transport.CodeFault {
		t.Errorf("the WebSocket is closed with %d, want %d", ws.CloseCode(), transport.CodeFault)
	}
	again := strings.Replace(openOne, `"recv"`, `"run":"RUN","recv"`, 1)
	b.want(b.first(transport.KindSocket, again), "!detach", `"gone":true`)
}

// HF1-ERR-02: the same error on two attachments of two transports ends the session. On a poll and a
// POST of one attachment it does not.
func TestSameFaultTwice(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	const refused = `!refused {"reason":"position"}`
	up, poll := strings.Replace(upOne, "@1 0", "@1 99", 1), strings.Replace(pollText(1, ""), "@1 0", "@1 99", 1)
	for range 2 {
		b.want(b.first(transport.KindUp, up), refused)
		b.want(b.first(transport.KindPoll, poll), refused)
	}
	ws := b.first(transport.KindSocket, strings.Replace(openOne, `"att":1,"u":1`, `"run":"RUN","att":2`, 1))
	b.next(ws)
	b.want(b.first(transport.KindUp, up), refused)
	b.frame(ws, "@1 99\n")
	b.want(ws, "!closed", "4302")
}

// HF1-ERR-05: a control in the wrong place is an error of the batch, and nothing of it acts.
func TestMisplacedControls(t *testing.T) {
	for _, line := range []string{
		`!open {"v":[1],"key":"KEY","att":9,"recv":0,"lim":{}}`,
		`!reply {"recv":0,"sent":0,"sel":{"u":1,"att":1}}`,
		`!up {"key":"KEY","run":"RUN","att":1}`,
		`!closed {"code":4100,"reason":"","recv":0,"ack":0}`,
		`!refused {"reason":"auth"}`,
	} {
		b := newBench(t, RegistryConfig{})
		b.next(b.first(transport.KindOpen, openOne))
		b.want(b.first(transport.KindUp, upOne+line+"\ntx\n"), `!refused {"reason":"malformed"}`)
		if b.s.machine.Snapshot().Received != 0 {
			t.Errorf("a line after %s was received", line)
		}
	}
}

// HF1-CLO-01: the code and the reason of !close have limits.
func TestCloseBounds(t *testing.T) {
	for _, c := range []struct {
		code   int
		reason string
		ok     bool
	}{
		{4100, "", true},
		{4399, strings.Repeat("é", 64), true},
		{4099, "", false},
		{9, "", false},
		{4400, "", false},
		{4100, strings.Repeat("r", 129), false},
	} {
		b := newBench(t, RegistryConfig{})
		b.next(b.first(transport.KindOpen, openOne))
		line := fmt.Sprintf("!close {\"code\":%d,\"reason\":%q}\n", c.code, c.reason)
		answer := b.next(b.first(transport.KindUp, upOne+line))
		if ok := strings.Contains(answer, `"recv":1`); ok != c.ok {
			t.Errorf("close %d %.10q… accepted: %v, want %v; the answer is %q", c.code, c.reason, ok, c.ok, answer)
		}
	}
}

// HF1-NUM-12: a message above maxMessage ends the session, since it can never be delivered.
func TestMessageAboveTheLimit(t *testing.T) {
	b := newBench(t, RegistryConfig{MaxMessage: 1024})
	b.next(b.first(transport.KindOpen, openOne))
	b.want(b.first(transport.KindUp, upOne+"t"+strings.Repeat("x", 1025)+"\n"), "!closed", "4304")
}

// A client that sends pings and does not read the pongs must not take up more and more memory.
func TestPongsUnread(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	ws := b.first(transport.KindSocket, openOne)
	for i := range 10_000 {
		b.frame(ws, fmt.Sprintf("@1 0\n!ping {\"i\":%d}\n", i))
	}
	if got := b.next(ws); len(got) > 2*machine.MaxQueuedControls || !strings.Contains(got, "!pong") {
		t.Fatalf("%d bytes of pongs are queued, want %d at most", len(got), 2*machine.MaxQueuedControls)
	}
}

// HF1-NUM-10: the window also limits batches that start with old lines.
func TestWindowAfterAnOldLine(t *testing.T) {
	b := newBench(t, RegistryConfig{MaxMessage: 1024, Window: 8192})
	b.next(b.first(transport.KindOpen, openOne))
	win, line := b.registry.machineConfig().Window, "t"+strings.Repeat("x", 1000)+"\n"
	for n := 0; n < 100; n++ {
		b.first(transport.KindUp, upFrom(max(n, 1))+line+line)
	}
	if held := b.s.machine.Snapshot().Held; held > 2*win {
		t.Fatalf("the server holds %d bytes, its window is %d", held, win)
	}
}

// HF1-WHO-11: an ended session does not start again, whoever asks.
func TestEndedStaysEnded(t *testing.T) {
	who := "alice"
	b := newBench(t, RegistryConfig{
		Authenticate: func(context.Context, *Handshake) (string, error) { return who, nil },
	})
	b.next(b.first(transport.KindOpen, openOne))
	m := &b.s.machine
	m.End(transport.CodeDone, "")
	b.registry.remove(b.s, b.now)
	who = "bob"
	b.want(b.first(transport.KindOpen, openOne), `!refused {"reason":"unknown"}`)
	who = "alice"
	b.want(b.first(transport.KindOpen, openOne), "!closed")
}

// HF1-NUM-09: an open with an ack for a session that does not exist makes none.
func TestImpossibleFirstPosition(t *testing.T) {
	b := newBench(t, RegistryConfig{OnSession: func(*Session) { t.Error("a session was made") }})
	b.want(b.first(transport.KindOpen, strings.Replace(openOne, "@1 0", "@1 5", 1)), `!refused {"reason":"position"}`)
	if b.registry.Len() != 0 {
		t.Errorf("there are %d sessions, want none", b.registry.Len())
	}
}

// HF1-ATT-07: the server ends an attachment whose client is silent. What was in flight counts as
// lost, so the next batches are smaller.
func TestSilentAttachmentShrinksBatches(t *testing.T) {
	b := newBench(t, RegistryConfig{Ping: 5 * time.Second})
	first := b.first(transport.KindSocket, openOne)
	b.want(first, "!opened")
	b.frame(first, "@1 0\n!ping {\"i\":1}\n")
	m := &b.s.machine
	for range 20 {
		b.send(strings.Repeat("x", 1500))
	}
	size := len(b.next(first))
	for range 5 {
		b.now = b.now.Add(5 * time.Second)
		b.tick()
		b.next(first)
	}
	if m.Transport() != "" {
		t.Fatal("the silent attachment has not ended")
	}
	second := b.first(transport.KindSocket, openTwo)
	if got := len(b.next(second)); got > size/2 {
		t.Fatalf("a batch has %d bytes after one of %d was lost, want half at most", got, size)
	}
}

// At the limit MaxRetained, a session ends when it receives more while its application has not
// taken what came before. A session whose application keeps up goes on.
func TestServerAtMaxRetained(t *testing.T) {
	b := newBench(t, RegistryConfig{MaxMessage: 1024, Window: 8192, MaxRetained: 1})
	b.next(b.first(transport.KindOpen, openOne))
	b.registry.pool.reclaim = nil // the test is about the session itself
	b.registry.pool.add(2)
	for n := 1; n <= 20; n++ {
		b.want(b.first(transport.KindUp, upFrom(n)+"t"+strings.Repeat("x", 1000)+"\n"), "!reply")
		if r, ok := b.s.machine.Pop(); ok {
			b.s.machine.Taken(r, b.now)
		}
	}
	b.want(b.first(transport.KindUp, upFrom(21)+"tone\n"), "!reply")
	b.want(b.first(transport.KindUp, upFrom(22)+"ttwo\n"), "!closed", "4203")
}
