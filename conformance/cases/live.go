package cases

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func liveCases() suite.Set {
	return slices.Concat(
		within(40, each("live/ping", "An attachment that was silent for `ping` is pinged.", []string{"HF1-LIV-01"},
			livePing, suite.WS, suite.SSE)),
		within(20, each("live/active-ping", "While log lines came or went within 30 s, after 5 s.",
			[]string{"HF1-LIV-01"}, liveActive, suite.WS, suite.SSE)),
		each("live/pong", "!ping is answered by !pong with the same i: on a WebSocket there, on the stream, in the "+
			"reply.", []string{"HF1-LIV-02"}, livePong),
		within(90, each("live/silent-client",
			"An attachment on which the client has sent nothing for two pings that were due is ended.",
			[]string{"HF1-LIV-03"}, liveSilent)),
		within(60, each("live/answering-client", "A client that answers its pings, or polls, is left alone.",
			[]string{"HF1-LIV-03"}, liveAnswering)),
		within(60, each("live/ttl", "A session is ended, 4201, when no packet of the client came for ttl.",
			[]string{"HF1-LIV-08"}, liveTTL)),
	)
}

// isPing reports whether an event brings a !ping.
func isPing(e server.Event) bool { return e.Batch != nil && e.Batch.Find("!ping") != nil }

func livePing(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send(`!pong {"i":1}`) // repeats the run, so that the session stays
	if _, ok := p.Wait(s.Ping()+3*time.Second, isPing); !ok {
		t.Fatalf("no !ping came in %v of silence, and ping is %v", s.Ping()+3*time.Second, s.Ping())
	}
}

func liveActive(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	if _, ok := p.Wait(7*time.Second, isPing); !ok {
		t.Fatalf("no !ping came in 7 s of silence after a log line")
	}
}

func livePong(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Forget()
	b := p.Send(`!ping {"i":9007199254740991}`)
	switch kind {
	case suite.Poll:
		if b == nil || b.Find("!pong") == nil || b.Find("!pong").Number("i") != 9007199254740991 {
			t.Fatalf("an up with !ping was answered by %v", b)
		}
		return
	case suite.SSE:
		e, ok := p.Wait(server.Within, func(e server.Event) bool {
			return e.On == suite.SSE && e.Batch != nil && e.Batch.Find("!pong") != nil
		})
		if !ok || e.Batch.Find("!pong").Number("i") != 9007199254740991 {
			t.Fatalf("a !ping for a stream was answered by %s", e)
		}
		return
	}
	if l := p.Control("!pong", server.Within); l.Number("i") != 9007199254740991 {
		t.Fatalf("the ping was answered by %s", l)
	}
}

func liveSilent(t *suite.T, s *server.Session, kind string) {
	p := s.OpenWithoutPolls(kind, server.Open{Meta: server.App("echo")})
	p.Send(`!ping {"i":1}`)
	start := time.Now()
	due := 3 * s.Ping()
	if kind == suite.Poll {
		due = s.Hold() + 2*s.Ping()
	}
	if due > 75*time.Second {
		t.Skipf("ping is %v, the suite waits for at most 25 s", s.Ping())
	}
	if s.TTL() < due+3*time.Second {
		t.Skipf("ttl is %v, shorter than what a silent attachment is left", s.TTL())
	}
	if kind == suite.Poll {
		t.Sleep(due + 2*time.Second)
		gone(s, server.Event{On: "poll", Batch: p.Poll(server.Poll{Hold: time.Second})})
		return
	}
	d := p.Gone(due + 3*time.Second)
	if took := time.Since(start); d.Number("code") != 4002 || took < 2*s.Ping()-time.Second {
		t.Fatalf("an attachment of a silent client was ended with %s after %v, and ping is %v", d, took, s.Ping())
	}
}

func liveAnswering(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	for start := time.Now(); time.Since(start) < 4*s.Ping(); {
		if s.Ping() > 11*time.Second {
			t.Skipf("ping is %v, the suite waits for four of at most 11 s", s.Ping())
		}
		if e, ok := p.Wait(time.Second, isPing); ok {
			p.Send(controlLine("!pong", map[string]any{"i": e.Batch.Find("!ping").Number("i")}))
		}
	}
	p.Send("tone")
	s.Expect("tone")
	if e, over := p.Wait(0, func(e server.Event) bool {
		return e.Batch == nil || e.Batch.Find("!detach") != nil
	}); over {
		t.Fatalf("the attachment of a client that answers was ended: %s", e)
	}
}

func liveTTL(t *suite.T, s *server.Session, kind string) {
	p := s.OpenWithoutPolls(kind, server.Open{Meta: server.App("echo")})
	p.Send(`!ping {"i":1}`)
	if s.TTL() > 45*time.Second {
		t.Skipf("ttl is %v, the suite waits for at most 45 s", s.TTL())
	}
	p.Drop()
	t.Sleep(s.TTL() + 2*time.Second)
	_, e := s.Attempt(kind, server.Open{})
	if e.Batch == nil || e.Batch.Find("!closed") == nil || e.Batch.Find("!closed").Number("code") != 4201 {
		t.Fatalf("after ttl, %v, without a packet the session answered %s, not !closed 4201", s.TTL(), e)
	}
}
