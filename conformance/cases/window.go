package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func windowCases() suite.Set {
	return slices.Concat(
		within(45, each("window/kept", "At most win bytes are unacknowledged; when the ack comes, more may.",
			[]string{"HF1-NUM-10"}, windowKept)),
		within(30, each("window/message-too-large", "A receiver of a message above maxMessage ends the session, 4304.",
			[]string{"HF1-NUM-10"}, windowTooLarge)),
		each("window/sender-refuses", "A sender refuses a message above maxMessage.", []string{"HF1-NUM-10"},
			windowSenderRefuses),
		each("batch/ill-formed-text", "Text that is not well-formed Unicode is refused, not altered.",
			[]string{"HF1-BAT-07"}, batchIllFormedText),
		each("batch/sent-lines",
			"No line that is sent is above 1,536 bytes: larger messages are split, text between scalar values.",
			[]string{"HF1-BAT-08"}, batchSentLines),
		each("batch/sink", "What is sent arrives, whole and unaltered.", []string{"HF1-NUM-02"}, batchSink),
		each("batch/nothing-acts", "If a batch breaks a rule, its ack and its controls do not act either.",
			[]string{"HF1-BAT-01"}, batchNothing),
		each("batch/max-batch", "A batch of maxBatch bytes is taken, a larger one is not.", []string{"HF1-BAT-05"},
			batchMax),
		each("batch/announced-size",
			"A batch that announces a size above maxBatch is refused before all of it has come.",
			[]string{"HF1-BAT-05"}, batchAnnounced, suite.WS, suite.Poll),
	)
}

func windowKept(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	const size = 16 << 10
	p := s.Open(kind, server.Open{Batch: 1 << 20, Meta: server.App("source", "count", 600, "size", size)})
	if s.Win() > 8<<20 {
		t.Skipf("the window is %d bytes, the suite tests up to 8 MiB", s.Win())
	}
	quiet := func(least int) int {
		for end := time.Now().Add(8 * time.Second); s.Bytes() < least && time.Now().Before(end); {
			t.Sleep(20 * time.Millisecond)
		}
		last, since := s.Bytes(), time.Now()
		for time.Since(since) < 2*time.Second {
			t.Sleep(20 * time.Millisecond)
			if n := s.Bytes(); n != last {
				last, since = n, time.Now()
			}
		}
		s.Check()
		return last
	}
	got := quiet(min(s.Win()/2, 600*size))
	switch {
	case got > s.Win():
		t.Fatalf("%d bytes came without an ack, and win is %d", got, s.Win())
	case got < s.Win()/2 && got < 600*size:
		t.Fatalf("only %d bytes came, and win is %d", got, s.Win())
	}
	s.TakeAll()
	p.Send()
	more := quiet(got + 1)
	if s.Count() < 600 && more == got || more-got > s.Win() {
		t.Fatalf("after the ack %d bytes more came, and win is %d", more-got, s.Win())
	}
}

func windowTooLarge(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("sink")})
	if s.MaxMessage() > 4<<20 {
		t.Skipf("maxMessage is %d, the suite tests up to 4 MiB", s.MaxMessage())
	}
	const piece = 1500
	left := s.MaxMessage() + 1
	for left > 0 {
		var batch []string
		for size := 0; left > 0 && size < s.MaxBatch()-4096 && size < 48<<10; size += piece {
			n := min(left, piece)
			left -= n
			sign := "+"
			if left == 0 {
				sign = ""
			}
			batch = append(batch, sign+"t"+strings.Repeat("x", n))
		}
		if b := p.Send(batch...); b != nil && b.Find("!closed") != nil {
			break
		}
	}
	c := p.Control("!closed", server.Within)
	if c.Number("code") != 4304 {
		t.Fatalf("a message above maxMessage was answered by %s, not 4304", c)
	}
}

func batchSentLines(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	for _, what := range []string{"€", `\\`, "\U0001F600", "x", "é\\n"} {
		line := "t" + strings.Repeat(what, 9000/len(what))
		p.Send(line)
		s.Expect(line)
	}
	line := "b" + strings.Repeat("AAEC", 2500)
	p.Send(line)
	s.Expect(line)
}

func batchSink(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("sink")})
	sum := newDigest()
	for i := range 40 {
		var batch []string
		for k := range 10 {
			text := fmt.Sprintf("%d/%d %s", i, k, strings.Repeat("é\n", t.Rand.IntN(40)))
			sum.add("t", text)
			batch = append(batch, "t"+strings.ReplaceAll(text, "\n", `\n`))
		}
		sum.add("b", "\x00\xff\n")
		p.Send(append(batch, "bAP8K")...)
	}
	p.Send("tdigest")
	s.Expect("t" + sum.String())
}

func batchNothing(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	p.Forget()
	p.SendRaw("@2 1\n!ping {\"i\":9}\ntlost\nwrong\n")
	p.NoControl("!pong", 300*time.Millisecond)
	p.Drop()
	q := s.OpenWithoutPolls(kind, server.Open{Recv: new(uint64)})
	if kind == suite.Poll {
		q.Poll(server.Poll{Recv: new(uint64)})
	}
	if b := q.Lines(server.Within); b.First != 1 {
		t.Fatalf("the ack of a batch that was refused has acted: the attachment begins with line %d", b.First)
	}
	if q.Opened.Number("recv") != 1 {
		t.Fatalf("a line of a batch that was refused was taken: recv is %d", q.Opened.Number("recv"))
	}
}

// sized is a batch of exactly n bytes that holds one text.
func sized(s *server.Session, p *server.Attachment, n int) (batch, line string) {
	head := fmt.Sprintf("@%d %d\n", s.Up()+1, s.Ack())
	rest := n - len(head) - 2
	if p.Kind != suite.WS {
		rest -= len(p.Address())
	}
	line = "t" + strings.Repeat("x", rest)
	return head + line + "\n", line
}

func batchMax(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	batch, line := sized(s, p, s.MaxBatch())
	s.SetUp(1)
	p.SendRaw(batch)
	s.Expect(line)
	p.Send(`!ping {"i":1}`)
	p.Control("!pong", server.Within)
	p.Forget()
	batch, _ = sized(s, p, s.MaxBatch()+1)
	p.SendRaw(batch)
	if e := p.End(server.Within); kind != suite.WS && !isStatus(e.Err, 413) {
		t.Fatalf("a batch of maxBatch+1 bytes was answered by %s, not 413", e)
	}
	q := p
	if kind == suite.WS {
		q = s.Reattach(kind)
		q.SendFrame("@2 1\n" + strings.Repeat("x", s.MaxBatch()-4))
		q.End(server.Within)
		q = s.Reattach(kind)
	}
	q.Send("tafter")
	s.Expect("tafter")
}

func batchAnnounced(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	if kind == suite.WS {
		_ = p.Socket.WriteFrame(0x81, 1<<30, nil)
		p.End(server.Within)
		return
	}
	x, err := s.Target.Exchange(t.Context(),
		fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
			s.Target.Endpoint.RequestURI(), s.Target.Endpoint.Host, 1<<30))
	if err != nil {
		t.Fatalf("a body of 1 GiB was announced: %v", err)
	}
	defer x.Close(true)
	if x.Response.StatusCode != 413 {
		t.Fatalf("a body of 1 GiB was announced, and answered %d, not 413", x.Response.StatusCode)
	}
}

func windowSenderRefuses(_ *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Meta: server.App("oversize")})
	s.Expect("trefused")
}

func batchIllFormedText(_ *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Meta: server.App("illformed")})
	s.Expect("trefused")
	s.ExpectNone(100 * time.Millisecond)
}
