package cases

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

func selectCases() suite.Set {
	return slices.Concat(
		each("select/by-open",
			"An open whose u is above the highest seen selects its attachment; one with u equal or lower, or "+
				"without, stands by.",
			[]string{"HF1-SEL-01", "HF1-SEL-05"}, selectByOpen),
		each("select/by-use", "!use selects an attachment, which goes on from the recv that it states.",
			[]string{"HF1-SEL-03", "HF1-ATT-05"}, selectByUse),
		each("select/wrong-use",
			"A !use whose u is not above the highest seen, or whose challenge is wrong, is answered and ignored.",
			[]string{"HF1-SEL-03"}, selectWrong),
		each("select/answered",
			"!use on a WebSocket is answered by !reply; on HTTP the reply is the answer. Both state the selection.",
			[]string{"HF1-SEL-04", "HF1-SEL-05"}, selectAnswered),
		each("select/loser", "The attachment that lost the selection gets !detach 4001 and no log line after it, and "+
			"stands by.", []string{"HF1-SEL-08"}, selectLoser),
		each("select/back", "An attachment that stands by may be selected again.", []string{"HF1-SEL-08"}, selectBack),
		within(50, each("select/standby-ends", "An attachment that stands by is ended by the server 30 s later.",
			[]string{"HF1-SEL-08"}, selectStandby)),
		each("select/waiting-poll", "A poll of an attachment that is not selected waits for its selection.",
			[]string{"HF1-POL-03"}, selectWaiting, suite.Poll),
	)
}

// selection checks the selection that a control states.
func selection(t *suite.T, l wire.Line, u, att uint64) {
	if gotU, gotAtt := l.Selection(); gotU != u || gotAtt != att {
		t.Fatalf("the selection is u %d, att %d where u %d, att %d is due: %s", gotU, gotAtt, u, att, l)
	}
}

func selectByOpen(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo"), U: number(5)})
	selection(t, p.Opened, 5, 1)
	for _, o := range []server.Open{{U: number(5)}, {U: number(4)}, {StandBy: true}} {
		q := s.OpenWithoutPolls(kind, o)
		selection(t, q.Opened, 5, 1)
		q.Drop()
	}
	p.Send("tone")
	s.Expect("tone")
	q := s.Open(kind, server.Open{U: number(6)})
	selection(t, q.Opened, 6, q.Att)
	q.Send("ttwo")
	s.Expect("ttwo")
}

// useLine makes a !use of an attachment.
func useLine(s *server.Session, p *server.Attachment, u uint64, challenge string) string {
	return controlLine("!use", map[string]any{"u": u, "att": p.Att, "challenge": challenge, "recv": s.Recv()})
}

// controlLine is a control without its LF.
func controlLine(name string, fields any) string {
	l := wire.JSON(name, fields)
	return l[:len(l)-1]
}

func selectByUse(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	q := s.Open(kind, server.Open{StandBy: true})
	q.ExpectNext(s.Recv() + 1)
	q.Send(useLine(s, q, 2, q.Opened.Text("challenge")))
	q.Send("ttwo", `!ping {"i":5}`)
	s.Expect("ttwo")
	if _, old := p.Wait(0, func(e server.Event) bool {
		return e.Batch != nil && e.Batch.First == 2 && e.Batch.Logs() > 0
	}); old {
		t.Break("HF1-SEL-08", "after !use a line comes on the old attachment")
	}
	q.Lines(server.Within)
}

func selectWrong(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo"), U: number(3)})
	q := s.Open(kind, server.Open{StandBy: true})
	for _, wrong := range []string{
		useLine(s, q, 4, "wrong"),
		useLine(s, q, 4, p.Opened.Text("challenge")),
		useLine(s, q, 3, q.Opened.Text("challenge")),
		useLine(s, q, 2, q.Opened.Text("challenge")),
	} {
		q.Forget()
		q.Send(wrong)
		selection(t, q.Control("!reply", server.Within), 3, 1)
	}
	p.Send("tone")
	s.Expect("tone")
	p.Lines(server.Within)
}

func selectAnswered(t *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Meta: server.App("echo")})
	q := s.Open(kind, server.Open{StandBy: true})
	q.Forget()
	q.Send(useLine(s, q, 2, q.Opened.Text("challenge")))
	r := q.Control("!reply", server.Within)
	selection(t, r, 2, q.Att)
	q.Send(useLine(s, q, 2, q.Opened.Text("challenge"))) // a repeated one is answered too
	selection(t, q.Control("!reply", server.Within), 2, q.Att)
}

func selectLoser(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	p.Forget()
	q := s.Open(kind, server.Open{})
	d := p.Control("!detach", server.Within)
	if d.Number("code") != 4001 || d.Fields()["gone"] != nil {
		t.Fatalf("the attachment that lost the selection got %s, not !detach 4001", d)
	}
	q.Send("ttwo", "tthree")
	s.Expect("ttwo", "tthree")
	if e, more := p.Wait(300*time.Millisecond, func(e server.Event) bool {
		return e.Batch != nil && e.Batch.Logs() > 0 || e.Batch == nil
	}); more {
		t.Fatalf("on the attachment that lost the selection there came %s", e)
	}
	q.Lines(server.Within)
}

func selectBack(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	q := s.Open(kind, server.Open{})
	q.Send("ttwo")
	s.Expect("ttwo")
	p.ExpectNext(0)
	p.Forget()
	p.Send(useLine(s, p, 3, p.Opened.Text("challenge")))
	p.Send("tthree")
	s.Expect("tthree")
	if b := p.Lines(server.Within); b.First != 3 {
		t.Fatalf("the attachment that was selected again goes on with line %d", b.First)
	}
}

func selectStandby(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send(`!ping {"i":1}`)
	s.Open(kind, server.Open{})
	start := time.Now()
	for time.Since(start) < 24*time.Second {
		t.Sleep(2 * time.Second)
		p.Send(`!pong {"i":1}`)
	}
	if _, early := p.Wait(0, func(e server.Event) bool {
		return e.Batch != nil && e.Batch.Find("!detach") != nil && e.Batch.Find("!detach").Fields()["gone"] == true
	}); early {
		t.Fatalf("an attachment that stands by was ended after %v", time.Since(start))
	}
	p.Gone(12 * time.Second)
}

func selectWaiting(t *suite.T, s *server.Session, _ string) {
	s.Open(suite.Poll, server.Open{Meta: server.App("echo")}).Send("tone")
	s.Expect("tone")
	q := s.OpenWithoutPolls(suite.Poll, server.Open{StandBy: true})
	answer := make(chan *wire.Batch, 1)
	go func() { answer <- q.Poll(server.Poll{Recv: new(uint64)}) }()
	select {
	case b := <-answer:
		t.Fatalf("a poll of an attachment that is not selected was answered at once: %v", b)
	case <-time.After(700 * time.Millisecond):
	}
	q.Up(useLine(s, q, 2, q.Opened.Text("challenge")), "ttwo")
	select {
	case b := <-answer:
		if b == nil || b.Logs() == 0 {
			t.Fatalf("the poll of the attachment that was selected was answered by %v", b)
		}
	case <-time.After(server.Within):
		t.Fatalf("the poll of the attachment that was selected was not answered")
	}
}
