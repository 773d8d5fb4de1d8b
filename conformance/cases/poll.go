package cases

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

func pollCases() suite.Set {
	poll := func(id, says, check string, run func(*suite.T, *server.Session)) suite.Set {
		return each(id, says, []string{check}, func(t *suite.T, s *server.Session, _ string) { run(t, s) }, suite.Poll)
	}
	return slices.Concat(
		poll("poll/consumes-nothing", "A poll consumes nothing: the next poll's recv positions the attachment.",
			"HF1-POL-01", pollConsumes),
		poll("poll/lower-p", "A p lower than the highest seen is answered at once, empty, and changes nothing.",
			"HF1-POL-02", pollLower),
		poll("poll/higher-p", "A higher p completes the older poll at once, empty.", "HF1-POL-02", pollHigher),
		poll("poll/copies", "A poll with an equal p waits together with the first and gets the same answer.",
			"HF1-POL-02", pollCopies),
		poll("poll/many-copies", "Of more than 4 copies the older are answered empty.", "HF1-POL-02", pollManyCopies),
		poll("poll/hold", "A poll is answered at hold, the lower of both sides', at the latest, and not before "+
			"without a reason.", "HF1-POL-03", pollHold),
		within(40, poll("poll/servers-hold",
			"Where no hold is stated, or one above the server's, the server's counts.", "HF1-POL-03", pollServersHold)),
		poll("poll/lines-end-it", "A poll is answered when there are down lines.", "HF1-POL-03", pollLines),
		poll("poll/answered-soon", "A poll that carries up lines or a control besides !poll is answered within 50 ms.",
			"HF1-POL-03", pollSoon),
		poll("poll/aborted", "An aborted poll does no harm.", "HF1-POL-06", pollAborted),
		poll("poll/aborted-up", "An up that ends in the middle does no harm.", "HF1-POL-06", pollAbortedUp),
		poll("poll/reply", "Every reply states the position, the highest line sent before, and the selection.",
			"HF1-SEL-05", pollReply),
	)
}

func pollConsumes(t *suite.T, s *server.Session) {
	s.HoldAck = true
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("source", "count", 3)})
	for range 3 {
		got := 0
		for from := uint64(0); got < 3; from = uint64(got) {
			b := p.Poll(server.Poll{Recv: &from, Hold: 2 * time.Second})
			if b == nil || b.Logs() == 0 || b.First != from+1 {
				t.Fatalf("a poll from %d was answered by %v", from, b)
			}
			got += b.Logs()
		}
	}
}

// pollAsync sends a poll and returns a channel for its answer.
func pollAsync(p *server.Attachment, o server.Poll) chan *wire.Batch {
	answer := make(chan *wire.Batch, 1)
	go func() { answer <- p.Poll(o) }()
	return answer
}

// awaitReply waits for the answer to a poll.
func awaitReply(t *suite.T, what string, answer chan *wire.Batch, limit time.Duration) *wire.Batch {
	select {
	case b := <-answer:
		if b == nil || b.Find("!reply") == nil {
			t.Fatalf("%s was answered by %v", what, b)
		}
		return b
	case <-time.After(limit):
		t.Fatalf("%s was not answered in %v", what, limit)
		return nil
	}
}

// mustBeEmpty checks that an answer has no lines.
func mustBeEmpty(t *suite.T, what string, b *wire.Batch) {
	if b.Logs() > 0 {
		t.Fatalf("%s was answered with lines: %s", what, b)
	}
}

// pollAndHang sends a poll and waits until it has arrived and hangs.
func pollAndHang(t *suite.T, p *server.Attachment, o server.Poll) chan *wire.Batch {
	answer := pollAsync(p, o)
	t.Sleep(150 * time.Millisecond)
	return answer
}

func pollLower(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	five := pollAndHang(t, p, server.Poll{P: 5})
	mustBeEmpty(t, "p 3 after p 5",
		awaitReply(t, "p 3 after p 5", pollAsync(p, server.Poll{P: 3}), 2500*time.Millisecond))
	select {
	case b := <-five:
		t.Fatalf("p 3 completed p 5: %v", b)
	case <-time.After(200 * time.Millisecond):
	}
	p.Up("tone")
	if b := awaitReply(t, "p 5", five, server.Within); b.Logs() != 1 {
		t.Fatalf("p 5 was answered by %s", b)
	}
}

func pollHigher(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	older := pollAndHang(t, p, server.Poll{P: 1})
	newer := pollAndHang(t, p, server.Poll{P: 2})
	mustBeEmpty(t, "the older poll", awaitReply(t, "the older poll", older, 2500*time.Millisecond))
	p.Up("tone")
	if b := awaitReply(t, "the newer poll", newer, server.Within); b.Logs() != 1 {
		t.Fatalf("the newer poll was answered by %s", b)
	}
}

func pollCopies(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	first := pollAndHang(t, p, server.Poll{P: 1, Recv: new(uint64)})
	second := pollAndHang(t, p, server.Poll{P: 1, Recv: new(uint64)})
	p.Up("tone")
	a, b := awaitReply(t, "a poll", first, server.Within), awaitReply(t, "its copy", second, server.Within)
	// the field sent may differ: it may count the other copy
	if a.First != b.First || lastLine(a) != lastLine(b) || a.Logs() != 1 || b.Logs() != 1 {
		t.Fatalf("two copies of a poll were answered by %s and %s", a, b)
	}
}

func lastLine(b *wire.Batch) string { return b.Lines[len(b.Lines)-1].String() }

func pollManyCopies(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	var copies []chan *wire.Batch
	for range 7 {
		copies = append(copies, pollAndHang(t, p, server.Poll{P: 1, Recv: new(uint64)}))
	}
	for _, c := range copies[:3] { // the older ones
		mustBeEmpty(t, "a copy too many", awaitReply(t, "the oldest of 7 copies of a poll", c, 2500*time.Millisecond))
	}
	p.Up("tone")
	if b := awaitReply(t, "the newest of 7 copies of a poll", copies[6], server.Within); b.Logs() != 1 {
		t.Fatalf("the newest of 7 copies of a poll was answered by %s", b)
	}
}

func pollHold(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	start := time.Now()
	mustBeEmpty(t, "a poll", awaitReply(t, "a poll with hold 1 s", pollAsync(p, server.Poll{Hold: time.Second}),
		4*time.Second))
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Fatalf("a poll with hold 1 s was answered after %v, and nothing was there", took)
	}
}

func pollServersHold(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	if s.Hold() > 12*time.Second {
		t.Skipf("hold is %v, the suite waits for at most 12 s", s.Hold())
	}
	for _, hold := range []time.Duration{0, s.Hold() * 3} {
		start := time.Now()
		awaitReply(t, "a poll", pollAsync(p, server.Poll{Hold: hold}), s.Hold()+5*time.Second)
		if took := time.Since(start); took < s.Hold()-200*time.Millisecond {
			t.Fatalf("a poll was answered after %v, and hold is %v", took, s.Hold())
		}
	}
}

func pollLines(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("slow", "delay", 400)})
	waiting := pollAndHang(t, p, server.Poll{})
	p.Up("tone")
	if b := awaitReply(t, "a poll", waiting, server.Within); b.Logs() != 1 {
		t.Fatalf("a line was there, and the poll was answered by %s", b)
	}
}

func pollSoon(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("sink")})
	for what, lines := range map[string][]string{"up lines": {"tone"}, "a control": {`!ping {"i":8}`}} {
		start := time.Now()
		b := awaitReply(t, "a poll with "+what, pollAsync(p, server.Poll{Lines: lines}), 2500*time.Millisecond)
		t.Logf("a poll with %s took %v", what, time.Since(start))
		if what == "a control" && b.Find("!pong") == nil {
			t.Break("HF1-LIV-02", "a poll with !ping was answered by %s", b)
		}
	}
}

func pollAborted(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	for range 3 {
		q := s.Assume(p.Att)
		q.P = p.P
		over := pollAndHang(t, q, server.Poll{})
		q.Drop()
		<-over
		p.P = q.P
	}
	p.Up("tone")
	b := awaitReply(t, "the poll after", pollAsync(p, server.Poll{}), server.Within)
	if b.Logs() != 1 || b.First != 1 {
		t.Fatalf("the poll after aborted ones was answered by %s", b)
	}
}

func pollAbortedUp(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	body := wire.WrapBody("up", "n1234567890123456", "@1 0\n"+p.Address()+"tone\nttwo\n")
	for _, n := range []int{0, 30, len(body) / 2, len(body) - 8} {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := s.Target.Dial(ctx)
		if err != nil {
			t.Fatalf("%v", err)
		}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
			s.Target.Endpoint.RequestURI(), s.Target.Endpoint.Host, len(body), body[:n])
		t.Sleep(50 * time.Millisecond)
		_ = c.Close()
		cancel()
	}
	p.Up("tone", "ttwo")
	for s.Count() < 2 {
		awaitReply(t, "the poll after", pollAsync(p, server.Poll{}), server.Within)
	}
	s.Expect("tone", "ttwo")
}

func pollReply(t *suite.T, s *server.Session) {
	p := s.OpenWithoutPolls(suite.Poll, server.Open{Meta: server.App("echo")})
	r := p.Up("tone", "ttwo").Find("!reply")
	if r == nil || r.Number("recv") != 2 {
		t.Fatalf("two lines were answered by %s", r)
	}
	selection(t, *r, 1, 1)
	for s.Count() < 2 {
		awaitReply(t, "a poll", pollAsync(p, server.Poll{}), server.Within)
	}
	if r = p.Up("tthree").Find("!reply"); r == nil || r.Number("sent") != 2 || r.Number("recv") != 3 {
		t.Fatalf("after two lines down and three up the reply is %s", r)
	}
}
