package cases

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func whoCases() suite.Set {
	return slices.Concat(
		each("who/id", "The id is derived from the key, and the run is random.", []string{"HF1-WHO-02", "HF1-WHO-03"},
			whoID),
		each("who/same-key", "An open without run creates the session or attaches to the one of that key: a repeated "+
			"open never makes a second one.", []string{"HF1-WHO-04"}, whoSameKey),
		each("who/refused-makes-none",
			"An open that is refused makes no session: nothing of a batch that breaks a rule acts.",
			[]string{"HF1-BAT-01", "HF1-WHO-04"}, whoRefused),
		each("who/race", "Opens that race never make two sessions, and early messages come once.",
			[]string{"HF1-WHO-04"}, whoRace),
		each("who/wrong-run", "A request whose run is not the session's is refused unknown, before anything of it is "+
			"applied.", []string{"HF1-WHO-05"}, whoWrongRun),
		each("who/authenticated-first", "Every open is authenticated before any lookup.", []string{"HF1-WHO-07"},
			whoAuth),
		each("who/one-answer", "Unknown session, wrong run and wrong principal are answered with the same bytes.",
			[]string{"HF1-WHO-08", "HF1-WHO-07"}, whoOneAnswer),
		within(45, each("who/not-repeated",
			"A session whose run the client has not repeated within 20 s is dropped, and leaves no tombstone.",
			[]string{"HF1-WHO-10"}, whoNotRepeated)),
		within(45, each("who/repeated", "One later packet is enough for the session to stay.", []string{"HF1-WHO-10"},
			whoRepeated)),
		each("who/tombstone", "Every request of an ended session's run, and every run-less open of its key, is "+
			"answered with !closed.", []string{"HF1-WHO-11"}, whoTombstone),
		each("origin/passes", "An Origin passes if its host is the server's, if the request is of the same origin, "+
			"or if it is missing.", []string{"HF1-WHO-09"}, originPasses),
		each("origin/of-the-session", "The Origin that created a session may attach to it.", []string{"HF1-WHO-09"},
			originCreator),
		each("origin/refused",
			"What the session may still allow is decided in the protocol: another Origin is refused with origin.",
			[]string{"HF1-WHO-09"}, originRefused),
	)
}

func whoID(t *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{}) // Open checks both
	other := server.NewSession(t)
	other.Open(kind, server.Open{})
	if other.Run == s.Run || len(s.Run) < 16 {
		t.Break("HF1-WHO-03", "two sessions have the runs %s and %s", s.Run, other.Run)
	}
}

func whoSameKey(_ *suite.T, s *server.Session, kind string) {
	early := server.Open{Meta: server.App("echo"), NoRun: true, Lines: []string{"tearly"}}
	s.Open(kind, early)
	s.Expect("tearly")
	run := s.Run
	s.SetUp(0)
	s.Open(kind, server.Open{NoRun: true, Lines: []string{"tearly"}})
	s.SetUp(0)
	p := s.Open(kind, server.Open{NoRun: true, U: number(2), Lines: []string{"tearly"}})
	if s.Run != run {
		s.T.Fatalf("a second open of the key made a second run, %s, besides %s", s.Run, run)
	}
	_ = p
	s.ExpectNone(300 * time.Millisecond)
}

func whoRefused(_ *suite.T, s *server.Session, kind string) {
	for _, wrong := range []server.Open{
		{Recv: number(3)},
		{Lines: []string{`!ping {"i":1}`}},
		{Lines: []string{"+tone", "bAA=="}},
		{Lines: []string{`!close {"code":4100,"reason":""}`, "tlate"}},
	} {
		wrong.Att, wrong.U, wrong.Meta = 1, number(1), server.App("sink")
		if _, e := s.Attempt(kind, wrong); e.Batch == nil || e.Batch.Find("!refused") == nil {
			s.T.Fatalf("a wrong open was answered by %s", e)
		}
		s.SetUp(0)
	}
	p := s.Open(kind, server.Open{Att: 1, U: number(1), Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone") // the application is the one of this open
}

func whoRace(t *suite.T, s *server.Session, kind string) {
	const racers = 4
	var all sync.WaitGroup
	var mu sync.Mutex
	runs := map[string]bool{}
	line := s.OpenLine(server.Open{Att: 1, U: number(1), Meta: server.App("sink")})
	for i := range racers {
		all.Add(1)
		go func() {
			defer all.Done()
			n := strings.Replace(line, `"att":1`, `"att":`+string(rune('1'+i)), 1)
			p := s.Start(kind, "@1 0\n"+n+"tone\nttwo\n", nil)
			if e, ok := p.WaitRun(server.Within); ok {
				mu.Lock()
				runs[e] = true
				mu.Unlock()
			}
		}()
	}
	s.SetUp(2)
	all.Wait()
	delete(runs, "")
	if len(runs) != 1 {
		t.Fatalf("%d opens of one key, at once, were answered with %d runs", racers, len(runs))
	}
	for run := range runs {
		s.Run = run
	}
	p := s.Open(kind, server.Open{Att: 9, U: number(9)})
	p.Send("tdigest")
	sum := newDigest()
	sum.add("t", "one")
	sum.add("t", "two")
	s.Expect("t" + sum.String())
}

func whoWrongRun(_ *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	run := s.Run
	s.Run = "wrongwrongwrongwrong"
	if b := p.Up("tlost", `!detach {"code":4004}`); b == nil || b.Find("!refused") == nil ||
		b.Find("!refused").Text("reason") != "unknown" {
		s.T.Fatalf("an up with a wrong run was answered by %v", b)
	}
	s.ExpectRefused(kind, "unknown", server.Open{Lines: []string{"tlost"}})
	if kind == suite.Poll {
		if b := p.Poll(server.Poll{P: 1000, Lines: []string{"tlost"}}); b == nil || b.Find("!refused") == nil ||
			b.Find("!refused").Text("reason") != "unknown" {
			s.T.Fatalf("a poll with a wrong run was answered by %v", b)
		}
	}
	s.Run = run
	s.SetUp(1)
	p = s.Reattach(kind)
	p.Send("ttwo")
	s.Expect("ttwo")
}

func whoAuth(_ *suite.T, s *server.Session, kind string) {
	s.ExpectRefused(kind, "auth", server.Open{Auth: "refuse"})
	s.Run = "wrongwrongwrongwrong"
	s.ExpectRefused(kind, "auth", server.Open{Auth: "refuse"})
	s.Run = ""
	p := s.Open(kind, server.Open{Auth: "alice", Meta: server.App("echo")})
	s.ExpectRefused(kind, "auth", server.Open{Auth: "refuse"})
	p.Send("tone")
	s.Expect("tone")
}

func whoOneAnswer(t *suite.T, s *server.Session, kind string) {
	s.Open(kind, server.Open{Auth: "alice", Meta: server.App("echo")})
	run := s.Run
	answers := map[string]string{}
	refused := func(what string, s *server.Session, o server.Open) {
		answers[what] = string(s.ExpectRefused(kind, "unknown", o).JSON)
	}
	refused("the wrong principal", s, server.Open{Auth: "bob"})
	refused("no principal", s, server.Open{})
	refused("the wrong principal, without run", s, server.Open{Auth: "bob", NoRun: true})
	s.Run = "wrongwrongwrongwrong"
	refused("a wrong run", s, server.Open{Auth: "alice"})
	stranger := server.NewSession(t)
	stranger.Run = run
	refused("an unknown session", stranger, server.Open{Auth: "alice"})
	for what, a := range answers {
		if a != answers["an unknown session"] {
			t.Fatalf("%s is answered by %s, an unknown session by %s", what, a, answers["an unknown session"])
		}
	}
	s.Run = run
	p := s.Open(kind, server.Open{Auth: "alice"})
	p.Send("tone")
	s.Expect("tone")
}

func whoNotRepeated(t *suite.T, s *server.Session, kind string) {
	p := s.OpenWithoutPolls(kind, server.Open{Meta: server.App("echo")})
	t.Sleep(23 * time.Second)
	p.Drop()
	old := s.Run
	s.ExpectRefused(kind, "unknown", server.Open{})
	s.Run, s.Att, s.U = "", 0, 0
	s.Open(kind, server.Open{})
	if s.Run == old {
		t.Fatalf("the session still exists, although nothing in 23 s has repeated its run")
	}
}

func whoRepeated(t *suite.T, s *server.Session, kind string) {
	p := s.OpenWithoutPolls(kind, server.Open{Meta: server.App("echo")})
	p.Send(`!ping {"i":1}`)
	p.Drop()
	t.Sleep(22 * time.Second)
	q := s.Reattach(kind)
	q.Send("tone")
	s.Expect("tone")
}

func whoTombstone(t *suite.T, s *server.Session, kind string) {
	p := s.Open(kind, server.Open{Meta: server.App("echo")})
	p.Send("tone")
	s.Expect("tone")
	p.Send(`!close {"code":4142,"reason":"enough"}`)
	p.Control("!closed", server.Within)
	p.Drop()
	answers := map[string]server.Event{
		"up":   {On: "up", Batch: s.Assume(1).Up("tlate")},
		"poll": {On: "poll", Batch: s.Assume(1).Poll(server.Poll{P: 9, Hold: time.Second})},
	}
	_, answers["open"] = s.Attempt(kind, server.Open{})
	_, answers["open without run"] = s.Attempt(kind, server.Open{NoRun: true})
	for what, e := range answers {
		if e.Batch == nil || e.Batch.Find("!closed") == nil || e.Batch.Find("!closed").Number("code") != 4142 {
			t.Fatalf("%s of an ended session was answered by %s", what, e)
		}
	}
}

func originPasses(_ *suite.T, s *server.Session, kind string) {
	e := s.Target.Endpoint
	for _, h := range []map[string]string{
		{"Origin": e.Scheme + "://" + e.Host},
		{"Origin": "https://rewritten.example", "Sec-Fetch-Site": "same-origin"},
		{"Sec-Fetch-Site": "same-origin"},
		{"Sec-Fetch-Site": "none"},
		{},
	} {
		p := server.NewSession(s.T)
		p.Open(kind, server.Open{Header: h}).Drop()
		p.Check()
	}
}

func originCreator(_ *suite.T, s *server.Session, kind string) {
	h := map[string]string{"Origin": "https://rewritten.example", "Sec-Fetch-Site": "same-origin"}
	s.Open(kind, server.Open{Header: h, Meta: server.App("echo")})
	p := s.Open(kind, server.Open{Header: map[string]string{"Origin": "https://rewritten.example"}})
	p.Send("tone")
	s.Expect("tone")
	s.ExpectRefused(kind, "origin", server.Open{Header: map[string]string{"Origin": "https://other.example"}})
}

func originRefused(_ *suite.T, s *server.Session, kind string) {
	s.ExpectRefused(kind, "origin", server.Open{Header: map[string]string{"Origin": "https://foreign.example"}})
	s.Open(kind, server.Open{Att: 9}).Drop()
	s.ExpectRefused(kind, "origin", server.Open{Header: map[string]string{"Origin": "https://foreign.example"}})
}
