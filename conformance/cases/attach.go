package cases

import (
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func attachCases() suite.Set {
	return slices.Concat(
		each("attach/same-att",
			"The same att again, on the same transport: the newest request carries the attachment and the older "+
				"response ends at once.",
			[]string{"HF1-ATT-02"}, attachSame),
		each("attach/lost", "An attachment ends when its WebSocket or stream is lost, or when the client detaches.",
			[]string{"HF1-ATT-02"}, attachLost),
		each("attach/ended", "An att that ended stays ended: its late open, poll, and up with !use are answered by "+
			"!detach with gone.", []string{"HF1-ATT-03"}, attachEnded),
		each("attach/never-opened",
			"A poll or a !use of an att that was never opened is answered by !detach with gone.",
			[]string{"HF1-ATT-03"}, attachNever, suite.Poll),
		each("attach/low-numbers",
			"An att that is 64 or more below the highest counts as ended; a higher one that was never used does not.",
			[]string{"HF1-ATT-03"}, attachLow),
		each("attach/other-transport",
			"The att of an attachment on another transport is answered by !detach with gone.", []string{"HF1-ATT-02"},
			attachOther),
		each("attach/four", "A fifth attachment ends the oldest that is not selected.", []string{"HF1-ATT-04"},
			attachFour),
		each("attach/from-recv", "A selected attachment begins at recv+1 and is consecutive.", []string{"HF1-ATT-05"},
			attachFrom),
		each("attach/max-batch",
			"No batch is above the maxBatch that the client stated, and one out of bounds counts as the nearest bound.",
			[]string{"HF1-ATT-06"}, attachBatch),
		within(30, each("attach/halved",
			"An attachment that died with a batch in flight gets batches of at most half that size, down to 1 KiB.",
			[]string{"HF1-ATT-07"}, attachHalved)),
		each("attach/version", "A version of v is picked; unknown extensions are ignored, and not in force.",
			[]string{"HF1-ATT-09"}, attachVersion),
		each("attach/no-version",
			"An open without a common version is refused with version and the server's own list.",
			[]string{"HF1-ATT-09"}, attachNoVersion),
		each("attach/early-messages", "Log lines that follow the !open are taken.", []string{"HF1-WHO-04"},
			attachEarlyMessages),
	)
}

func attachSame(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	t.Sleep(200 * time.Millisecond) // until the next poll hangs
	p.Forget()
	q := s.OpenWithoutPolls(kind, server.Open{Att: 1, U: number(1)})
	if u, att := q.Opened.Selection(); u != 1 || att != 1 {
		t.Break("HF1-SEL-01", "a retry of the selected attachment shows the selection u %d, att %d", u, att)
	}
	if kind == suite.Poll {
		if _, ended := p.Wait(2500*time.Millisecond, func(e server.Event) bool {
			return e.On == "poll" && e.Batch != nil && e.Batch.Logs() == 0
		}); !ended {
			t.Fatalf("the hanging poll was not ended by the newer open")
		}
		p.Send("ttwo")
	} else {
		p.End(server.Within)
		q.Send("ttwo")
	}
	s.Expect("ttwo")
}

// endedAndLive makes an attachment that has ended, and one beside it that works.
func endedAndLive(s *server.Session, kind string) (gone, live *server.Attachment) {
	gone = s.Open(kind, server.Open{Meta: server.App("echo")})
	live = s.Open(kind, server.Open{})
	live.Send("tone")
	s.Expect("tone")
	gone.Send(`!detach {"code":4004}`)
	gone.Gone(server.Within)
	gone.Drop()
	return gone, live
}

func attachLost(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	if kind == suite.Poll {
		p.Up(`!detach {"code":4004}`)
	} else {
		p.Drop()
		time.Sleep(300 * time.Millisecond) // until the server has seen it
	}
	_, e := s.Attempt(kind, server.Open{Att: 1, StandBy: true})
	gone(s, e)
	q := s.Open(kind, server.Open{Att: 2})
	q.Send("ttwo")
	s.Expect("ttwo")
}

// gone checks that an answer is !detach with gone.
func gone(s *server.Session, e server.Event) {
	if e.Batch == nil || e.Batch.Find("!detach") == nil || e.Batch.Find("!detach").Fields()["gone"] != true {
		s.T.Fatalf("an att that ended was answered by %s", e)
	}
}

func attachEnded(t *suite.T, s *server.Session, kind string) {
	old, live := endedAndLive(s, kind)
	p, e := s.Attempt(kind, server.Open{Att: old.Att, StandBy: true})
	gone(s, e)
	if kind != suite.Poll {
		p.End(server.Within)
	}
	for name, b := range map[string]func() server.Event{
		"a late poll": func() server.Event {
			q := s.Assume(old.Att)
			return server.Event{On: "poll", Batch: q.Poll(server.Poll{P: 9, Hold: time.Second})}
		},
		"a late !use": func() server.Event {
			return server.Event{
				On: "up",
				Batch: s.Assume(old.Att).Up(`!use {"u":9,"att":1,"challenge":"` + old.Opened.Text("challenge") +
					`","recv":0}`),
			}
		},
	} {
		t.Logf("%s", name)
		gone(s, b())
	}
	live.Send("ttwo")
	s.Expect("ttwo")
}

func attachNever(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	gone(s, server.Event{On: "poll", Batch: s.Assume(7).Poll(server.Poll{P: 1, Hold: time.Second})})
	gone(s, server.Event{On: "up", Batch: s.Assume(7).Up(`!use {"u":9,"att":7,"challenge":"x","recv":0}`)})
	p.Send("tone")
	s.Expect("tone")
}

func attachLow(_ *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Att: 100, Meta: server.App("echo")})
	_, e := s.Attempt(kind, server.Open{Att: 30, StandBy: true})
	gone(s, e)
	s.Open(kind, server.Open{Att: 60, StandBy: true})
}

func attachOther(t *suite.T, s *server.Session, kind string) {
	other := ""
	for _, x := range s.Target.Transports {
		if x != kind {
			other = x
		}
	}
	if other == "" {
		t.Skipf("the profile has no other transport")
	}
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	_, e := s.Attempt(other, server.Open{Att: 1, U: number(2)})
	gone(s, e)
	p.Send("tone")
	s.Expect("tone")
}

func attachFour(t *suite.T, s *server.Session, kind string) {
	first := s.Open(kind, server.Open{Meta: server.App("echo")})
	var others []*server.Attachment
	for range 4 {
		others = append(others, s.OpenWithoutPolls(kind, server.Open{StandBy: true}))
	}
	if kind == suite.Poll {
		gone(s, server.Event{On: "poll", Batch: others[0].Poll(server.Poll{Hold: time.Second})})
	} else {
		others[0].Gone(server.Within)
	}
	if u, att := others[3].Opened.Selection(); u != 1 || att != 1 {
		t.Fatalf("after five opens the selection is u %d, att %d, and not the first's", u, att)
	}
	first.Send("tone")
	s.Expect("tone")
}

func attachFrom(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	p := s.Open(kind, server.Open{Meta: server.App("source", "count", 10)})
	s.Expect(lines("", 1, 10)...)
	p.Drop()
	q := s.OpenWithoutPolls(kind, server.Open{Recv: number(4)})
	if kind == suite.Poll {
		q.Poll(server.Poll{Recv: number(4)})
	}
	if b := q.Lines(server.Within); b.First != 5 {
		t.Fatalf("an attachment from position 4 begins with line %d", b.First)
	}
}

func attachBatch(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Batch: 2048, Meta: server.App("source", "count", 60, "size", 400)})
	s.WaitMessages(60, server.Within)
	p.Drop()
	s.Check()
	small := server.NewSession(s.T)
	small.Open(kind, server.Open{Batch: 1, Meta: server.App("source", "count", 20, "size", 400)})
	small.WaitMessages(20, server.Within)
	small.Check()
}

func attachHalved(t *suite.T, s *server.Session, kind string) {
	s.HoldAck = true
	last := 0
	for round := range 8 {
		o := server.Open{Recv: new(uint64)}
		if round == 0 {
			o.Meta = server.App("source", "count", 900, "size", 500)
		}
		p := s.OpenWithoutPolls(kind, o)
		if kind == suite.Poll {
			p.Poll(server.Poll{Recv: new(uint64)})
		}
		b := p.Lines(server.Within)
		size := b.Size
		for range 2 { // by the second one the server sends full batches
			if e, more := p.Wait(50*time.Millisecond, func(e server.Event) bool {
				return e.Batch != nil && e.Batch.Logs() > 0
			}); more {
				size = max(size, e.Batch.Size)
			}
		}
		p.Drop()
		t.Sleep(200 * time.Millisecond) // until the server has seen that the attachment ended
		if most := max(last/2, 1024) + 700; round > 0 && size > most {
			t.Fatalf("after an attachment died with a batch of %d bytes in flight, the next gets one of %d bytes",
				last, size)
		}
		last = size
	}
}

func attachVersion(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{
		Meta:  server.App("echo"),
		Extra: map[string]any{"v": []int{9, 1}, "x": []string{"zip", "grease-abcd"}, "unknown": 1},
	})
	if x, there := p.Opened.Fields()["x"]; there && len(x.([]any)) > 0 {
		t.Fatalf("the extensions %v are in force, and this version defines none", x)
	}
	p.Send("tone")
	s.Expect("tone")
}

func attachNoVersion(t *suite.T, s *server.Session, kind string) {
	r := s.ExpectRefused(kind, "version", server.Open{Extra: map[string]any{"v": []int{2, 9}}})
	if list, _ := r.Fields()["v"].([]any); !slices.Contains(list, any(1.0)) {
		t.Fatalf("the refusal does not name version 1: %s", r)
	}
}

func attachEarlyMessages(_ *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Meta: server.App("echo"), Lines: []string{"tearly", "bAAEC"}})
	s.Expect("tearly", "bAAEC")
}
