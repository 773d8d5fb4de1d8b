package cases

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func closeCases() suite.Set {
	return slices.Concat(
		each("close/by-client",
			"When the application has taken the client's !close the session ends: !closed on every attachment, with "+
				"the lines taken.",
			[]string{"HF1-CLO-03", "HF1-CLO-01"}, closeByClient),
		each("close/earlier-first", "Earlier messages are delivered before a !close is reported.",
			[]string{"HF1-CLO-01"}, closeEarlier),
		each("close/by-server",
			"After its own !close a server still receives until the ack covers it, and then sends !closed.",
			[]string{"HF1-CLO-04"}, closeByServer),
		within(30, each("close/grace",
			"After its own !close a server waits for the ack for 10 s, and then sends !closed.",
			[]string{"HF1-CLO-04"}, closeGrace)),
		each("close/not-by-carriers",
			"No end of a carrier ends a session: no close code, no reset, no undecodable batch.",
			[]string{"HF1-CLO-02"}, closeNot),
		each("close/fates", "At the end the application learns what became of each of its messages.",
			[]string{"HF1-CLO-05"}, closeFates),
	)
}

func closeByClient(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	q := s.Open(kind, server.Open{StandBy: true})
	p.Send("tone", "ttwo")
	s.Expect("tone", "ttwo")
	p.Send(`!close {"code":4123,"reason":"see \"you\""}`)
	for _, a := range []*server.Attachment{p, q} {
		c := a.Control("!closed", server.Within)
		if c.Number("code") != 4123 || c.Number("recv") != 3 || c.Number("ack") != 2 ||
			c.Text("reason") != `see "you"` {
			t.Fatalf("the close was answered by %s", c)
		}
		if kind != suite.Poll {
			a.End(server.Within)
		}
	}
}

func closeEarlier(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("slow", "delay", 700)})
	p.Send("tone", `!close {"code":4100,"reason":""}`)
	start := time.Now()
	c := p.Control("!closed", server.Within)
	if took := time.Since(start); took < 500*time.Millisecond || c.Number("recv") != 2 {
		t.Fatalf("%s came after %v, while the application was busy with the message before", c, took)
	}
}

func closeByServer(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("close", "code", 4177, "reason", "enough")})
	p.Send("tone")
	s.Expect("tone")
	c := s.WaitClose()
	if c.Number("code") != 4177 || c.Text("reason") != "enough" {
		t.Break("HF1-CLO-01", "the application closed with 4177, and the server sent %s", c)
	}
	p.Send("ttwo")
	s.WaitAck(2, server.Within)
	if e, early := p.Wait(400*time.Millisecond, func(e server.Event) bool {
		return e.Batch != nil && e.Batch.Find("!closed") != nil
	}); early {
		t.Fatalf("%s came before the ack", e)
	}
	s.TakeAll()
	p.Send()
	if l := p.Control("!closed", server.Within); l.Number("code") != 4177 || l.Number("recv") != 2 ||
		l.Number("ack") != 2 {
		t.Fatalf("the end is %s", l)
	}
}

func closeGrace(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("close", "code", 4177, "reason", "enough")})
	p.Send("tone")
	s.WaitClose()
	start := time.Now()
	p.Control("!closed", 15*time.Second)
	if took := time.Since(start); took < time.Second {
		t.Fatalf("!closed came %v after !close, without an ack", took)
	}
}

func closeNot(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	stillWorks := func(text string) {
		p.Drop()
		p = s.Reattach(kind)
		p.Send("t" + text)
		s.Expect("t" + text)
	}
	stillWorks("after a reset")
	if kind == suite.WS {
		for _, code := range []int{1000, 1001, 4100, 4301} {
			_ = p.Socket.Write(server.OpClose, []byte{byte(code >> 8), byte(code)})
			p.End(server.Within)
			stillWorks(fmt.Sprintf("after the close code %d", code))
		}
	}
	p.SendRaw("garbage\n")
	stillWorks("after garbage")
	s.Target.Request(s.T.Context(), http.MethodDelete, "", "", nil)
	stillWorks("after a DELETE")
}

func closeFates(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("source", "count", 5)})
	s.Expect(lines("", 1, 5)...)
	s.SetUp(1)
	p.SendRaw("@1 3\n!close {\"code\":4100,\"reason\":\"\"}\n")
	p.Control("!closed", server.Within)
	var got struct {
		Sent, Delivered uint64
		Exact           *bool
	}
	for end := time.Now().Add(server.Within); got.Exact == nil && time.Now().Before(end); {
		r := server.NewSession(t)
		r.Open(kind, server.Open{Meta: server.App("report", "of", server.SessionID(s.Key))})
		text := r.NextMessage().Data
		t.Logf("the application knows: %s", text)
		_ = json.Unmarshal([]byte(text), &got)
		t.Sleep(20 * time.Millisecond)
	}
	if got.Exact == nil || got.Sent != 5 || got.Delivered != 3 {
		t.Fatalf("of 5 messages 3 were acknowledged, but the application learned of %d sent and %d delivered",
			got.Sent, got.Delivered)
	}
}

func errorCases() suite.Set {
	return slices.Concat(
		each("errors/ends-the-path",
			"A fault on a WebSocket ends its attachment; a refused up or poll leaves the attachment as it is.",
			[]string{"HF1-ERR-01"}, errorsPath),
		each("errors/two-transports",
			"The same protocol error on attachments of two transports in a row ends the session with its code.",
			[]string{"HF1-ERR-02"}, errorsTwo),
		each("errors/not-in-a-row", "With an accepted batch between, or other errors, it does not.",
			[]string{"HF1-ERR-02"}, errorsNot),
		each("errors/end", "!refused is followed by the end of that carrier.", []string{"HF1-ERR-03"}, errorsEnd),
	)
}

func errorsPath(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.SendRaw("@1 0\nwrong\n")
	p.Refused(server.Within)
	if kind == suite.WS {
		p.End(server.Within)
		_, e := s.Attempt(kind, server.Open{Att: 1, StandBy: true})
		gone(s, e)
		return
	}
	p.Send("tone")
	s.Expect("tone")
}

// sendImpossibleAck sends a batch with an ack that is too high. The batch can be parsed, so over
// HTTP the server knows which session it belongs to.
func sendImpossibleAck(p *server.Attachment) { p.SendRaw("@1 999\n") }

func errorsTwo(t *suite.T, s *server.Session, kind string) {
	p, q := onTwoTransports(t, s, kind)
	sendImpossibleAck(p)
	p.Refused(server.Within)
	sendImpossibleAck(q)
	if _, ok := q.Wait(server.Within, func(e server.Event) bool {
		return e.Batch == nil || e.Batch.Find("!closed") != nil || e.Batch.Find("!refused") != nil
	}); !ok {
		t.Fatalf("the second error was not answered")
	}
	_, e := s.Attempt(kind, server.Open{})
	if e.Batch == nil || e.Batch.Find("!closed") == nil || e.Batch.Find("!closed").Number("code") != 4302 {
		t.Fatalf("after the same error on two transports the session answered %s, not !closed 4302", e)
	}
}

// onTwoTransports attaches over a transport and over another one.
func onTwoTransports(t *suite.T, s *server.Session, kind string) (p, q *server.Attachment) {
	i := slices.Index(s.Target.Transports, kind)
	if len(s.Target.Transports) < 2 {
		t.Skipf("the profile has no other transport")
	}
	other := s.Target.Transports[(i+1)%len(s.Target.Transports)]
	p = s.OpenWithoutPolls(kind, server.Open{Meta: server.App("echo")})
	q = s.OpenWithoutPolls(other, server.Open{StandBy: true})
	return p, q
}

func errorsNot(_ *suite.T, s *server.Session, kind string) {
	p, q := onTwoTransports(s.T, s, kind)
	sendImpossibleAck(p)
	p.Refused(server.Within)
	q.Send(`!ping {"i":1}`) // accepted
	q.Control("!pong", server.Within)
	sendImpossibleAck(q)
	q.Refused(server.Within)
	r := s.Reattach(kind)                  // accepted
	r.SendRaw("@1 0\n!opened {\"v\":1}\n") // another error
	r.Refused(server.Within)
	r = s.Reattach(kind)
	r.Send("tone")
	s.Expect("tone")
}

func errorsEnd(_ *suite.T, s *server.Session, kind string) {
	s.ExpectRefused(kind, "auth", server.Open{Auth: "refuse"})
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.SendRaw("@1 0\nwrong\n")
	p.Refused(server.Within)
	if kind == suite.WS {
		p.End(server.Within)
	}
}
