package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func numberCases() suite.Set {
	return slices.Concat(
		each("numbers/source", "Log lines are numbered from 1, one by one, and come in order.",
			[]string{"HF1-NUM-01", "HF1-NUM-02"}, numbersSource),
		each("numbers/across-paths",
			"A number never changes its content: none is skipped or used again when attachments change.",
			[]string{"HF1-NUM-01"}, numbersAcross),
		each("numbers/duplicates", "Each message is delivered once, whole and in order, however often its lines come.",
			[]string{"HF1-NUM-02"}, numbersDuplicates),
		each("numbers/old-lines", "The ack and the controls of a batch whose log lines are old act.",
			[]string{"HF1-NUM-03"}, numbersOld),
		each("numbers/kept", "A line is kept until the peer's ack covers it; a completed write proves nothing.",
			[]string{"HF1-NUM-04"}, numbersKept),
		each("numbers/taken", "An ack is the number of the last line of the last message that the application has "+
			"taken.", []string{"HF1-NUM-05"}, numbersTaken),
		each("numbers/gap", "Of a batch whose first is above recv+1 no line is taken, and the sender learns the "+
			"position.",
			[]string{"HF1-NUM-06", "HF1-WSK-04", "HF1-POL-05", "HF1-NUM-02"}, numbersGap),
		each("numbers/gaps", "!rewind is sent at most once per round trip.", []string{"HF1-NUM-06"}, numbersGaps,
			suite.WS),
		each("numbers/rewind", "On !rewind the sender goes on, on that attachment, from recv+1.",
			[]string{"HF1-NUM-07"}, numbersRewind, suite.WS, suite.SSE),
		each("numbers/below-the-ack",
			"A position is never below the highest ack known, and a low recv is never an error.",
			[]string{"HF1-NUM-08"}, numbersBelow),
		each("numbers/open-beyond",
			"An !open whose recv is above what was sent is refused position, and changes nothing.",
			[]string{"HF1-NUM-09"}, numbersOpenBeyond),
		each("numbers/poll-beyond",
			"A poll whose recv is above what was sent is refused position, and changes nothing.",
			[]string{"HF1-NUM-09"}, numbersPollBeyond, suite.Poll),
		each("numbers/ack-alone", "An ack is sent on its own after a short delay.", []string{"HF1-NUM-11"},
			numbersAckAlone),
		each("numbers/at-once", "Lines and acks are processed at once: no request waits for the application.",
			[]string{"HF1-NUM-12"}, numbersAtOnce, suite.SSE, suite.Poll),
	)
}

// lines makes the lines tPREFIX1 … tPREFIXn.
func lines(prefix string, from, to int) (out []string) {
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf("t%s%d", prefix, i))
	}
	return out
}

func numbersSource(t *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Meta: server.App("source", "count", 300)})
	s.Expect(lines("", 1, 300)...)
	if s.Recv() != 300 {
		t.Fatalf("300 messages of one line each end at number %d", s.Recv())
	}
}

func numbersAcross(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	for i := 1; i <= 5; i++ {
		p.Send(fmt.Sprintf("t%d", i))
		s.Expect(fmt.Sprintf("t%d", i))
		p.Drop()
		p = s.Reattach(kind)
	}
	p.Send("tlast")
	s.Expect("tlast")
}

func numbersDuplicates(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone", "+ttwo", "t too")
	s.Expect("tone", "ttwo too")
	p.SendRaw("@1 0\ntone\n+ttwo\nt too\n")
	s.SetUp(4)
	p.SendRaw("@2 0\n+ttwo\nt too\ntthree\n")
	p.SendRaw("@4 0\ntthree\n")
	s.Expect("tthree")
	p.Send("tfour")
	s.Expect("tfour")
	s.ExpectNone(200 * time.Millisecond)
}

func numbersOld(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	p.SendRaw("@1 1\ntone\n!ping {\"i\":77}\n")
	if pong := p.Control("!pong", server.Within); pong.Number("i") != 77 {
		t.Fatalf("the ping 77 was answered by %s", pong)
	}
	p.Drop()
	q := s.Open(kind, server.Open{Recv: new(uint64)})
	q.ExpectNext(2) // the ack of the old batch counts
	q.Send("ttwo")
	if b := q.Lines(server.Within); b.First != 2 {
		t.Fatalf("line %d comes again, although an ack of 1 came with old lines", b.First)
	}
}

func numbersKept(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone", "ttwo", "tthree")
	s.Expect("tone", "ttwo", "tthree")
	p.Drop()
	q := s.Open(kind, server.Open{Recv: new(uint64)})
	if kind == suite.Poll {
		q.Drop() // its polls would state the real position of this session
		q = s.OpenWithoutPolls(kind, server.Open{Recv: new(uint64)})
		q.Poll(server.Poll{Recv: new(uint64)})
	}
	b := q.Lines(server.Within)
	if b.First != 1 || string(b.Lines[len(b.Lines)-b.Logs()].Data) != "one" {
		t.Fatalf("an attachment from position 0 begins with %s", b)
	}
}

func numbersTaken(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("slow", "delay", 1200)})
	p.Send("+tone", "+t and", "t more", "ttwo")
	start := time.Now()
	p.Send(`!ping {"i":1}`)
	p.Control("!pong", server.Within)
	if s.Acked() != 0 && time.Since(start) < time.Second {
		t.Fatalf("the ack is %d, although the application takes nothing for 1.2 s", s.Acked())
	}
	s.Expect("tone and more", "ttwo")
	s.WaitAck(4, server.Within)
	for _, a := range s.Acks() {
		if a == 1 || a == 2 {
			t.Fatalf("the ack %d is in the middle of a message", a)
		}
	}
}

func numbersGap(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Forget()
	reply := p.SendRaw("@3 0\ntthree\n")
	switch {
	case kind == suite.WS:
		if r := p.Control("!rewind", server.Within); r.Number("recv") != 0 {
			t.Fatalf("the gap was answered by %s", r)
		}
	case reply == nil || reply.Find("!reply") == nil:
		t.Break("HF1-POL-05", "a batch with a gap before it was answered by %v", reply)
	case reply.Find("!reply").Number("recv") != 0:
		t.Fatalf("a batch with a gap before it was answered by %v", reply)
	}
	s.ExpectNone(200 * time.Millisecond)
	p.Send("tone", "ttwo")
	s.Expect("tone", "ttwo")
	s.ExpectNone(200 * time.Millisecond)
	p.Send("tthree")
	s.Expect("tthree")
}

func numbersGaps(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	start := time.Now()
	for i := range 10 {
		p.SendRaw(fmt.Sprintf("@%d 0\ntx\n", 5+i))
	}
	p.Send(`!ping {"i":1}`)
	p.Control("!rewind", server.Within)
	p.Control("!pong", server.Within)
	if _, again := p.Wait(0, func(e server.Event) bool {
		return e.Batch != nil && e.Batch.Find("!rewind") != nil
	}); again && time.Since(start) < 200*time.Millisecond {
		t.Fatalf("a second !rewind came within %v", time.Since(start))
	}
}

func numbersRewind(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone", "ttwo", "tthree")
	s.Expect("tone", "ttwo", "tthree")
	p.Forget()
	p.ExpectNext(0)
	p.Send(`!rewind {"recv":1}`)
	b := p.Lines(server.Within)
	if b.First != 2 || string(b.Lines[len(b.Lines)-b.Logs()].Data) != "two" {
		t.Fatalf("after !rewind to 1 the attachment goes on with %s", b)
	}
}

func numbersBelow(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone", "ttwo")
	s.Expect("tone", "ttwo")
	p.Send(`!ping {"i":1}`) // carries the ack
	p.Control("!pong", server.Within)
	p.Drop()
	q := s.OpenWithoutPolls(kind, server.Open{Recv: new(uint64), Lines: nil})
	q.ExpectNext(3)
	q.Send("tthree")
	if kind == suite.Poll {
		q.Poll(server.Poll{Recv: new(uint64)})
	}
	if b := q.Lines(server.Within); b.First != 3 {
		t.Fatalf("an attachment from recv 0 begins with line %d, although the ack 2 is known", b.First)
	}
}

func numbersOpenBeyond(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	_, e := s.Attempt(kind, server.Open{Recv: number(99)})
	if e.Batch == nil || e.Batch.Find("!refused") == nil || e.Batch.Find("!refused").Text("reason") != "position" {
		s.T.Fatalf("an !open from position 99 was answered by %s", e)
	}
	p.Send("ttwo") // the selection did not move
	s.Expect("ttwo")
}

func numbersPollBeyond(_ *suite.T, s *server.Session, kind string) {
	p := s.OpenWithoutPolls(kind, server.Open{Meta: server.App("echo")})
	b := p.Poll(server.Poll{Recv: number(99), Lines: []string{"tlost"}})
	if b == nil || b.Find("!refused") == nil || b.Find("!refused").Text("reason") != "position" {
		s.T.Fatalf("a poll from position 99 was answered by %v", b)
	}
	s.SetUp(0)
	p.Poll(server.Poll{P: 1, Lines: []string{"tone"}})
	p.Poll(server.Poll{P: 2})
	s.Expect("tone")
}

func numbersAckAlone(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("sink")})
	p.Send("tone")
	s.WaitAck(1, 3*time.Second)
	p.Send(strings.Split(strings.Repeat("tx ", 40)[:119], " ")...)
	s.WaitAck(33, 3*time.Second)
}

func numbersAtOnce(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("slow", "delay", 2500)})
	start := time.Now()
	b := p.Up("tone", "ttwo")
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Fatalf("an up was answered after %v, while the application was busy", took)
	}
	if b == nil || b.Find("!reply") == nil || b.Find("!reply").Number("recv") != 2 {
		t.Fatalf("two lines up were answered by %v", b)
	}
}

func number(n uint64) *uint64 { return &n }
