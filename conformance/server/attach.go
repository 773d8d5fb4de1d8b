package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Open attaches on a transport, keeps a long poll hanging, and checks what the server says.
func (s *Session) Open(kind string, o Open) *Path {
	p := s.OpenStill(kind, o)
	if kind == suite.Poll {
		go p.keepPolling(p.ctx)
	}
	return p
}

// OpenStill is Open without polls: the case sends them.
func (s *Session) OpenStill(kind string, o Open) *Path {
	line := s.OpenLine(o)
	from := s.Recv()
	if o.Recv != nil {
		from = *o.Recv
	}
	p := s.newPath(kind, s.Att)
	p.Takes(o.Batch)
	if kind != suite.Poll {
		p.Begins(max(from, s.Ack()) + 1)
	}
	p.begin(s.batch(line, o.Lines), o.Header)
	e, ok := p.Wait(Within, func(Event) bool { return true })
	switch {
	case !ok:
		s.T.Fatalf("no answer to !open on %s in %v", kind, Within)
	case e.Batch == nil || e.Batch.Find("!opened") == nil:
		s.T.Fatalf("!open on %s was answered by %s", kind, e)
	}
	p.Opened = *e.Batch.Find("!opened")
	if len(e.Batch.Lines) > 1 {
		s.mu.Lock()
		p.events = slices.Insert(p.events, 0, e)
		s.mu.Unlock()
	}
	s.opened(p)
	return p
}

// Attempt opens, whatever comes, and gives the first answer.
func (s *Session) Attempt(kind string, o Open) (*Path, Event) {
	line := s.OpenLine(o)
	p := s.Begin(kind, s.batch(line, o.Lines), o.Header)
	e, ok := p.Wait(Within, func(Event) bool { return true })
	if !ok {
		s.T.Fatalf("no answer to !open on %s in %v", kind, Within)
	}
	return p, e
}

// Refuse opens and expects a refusal, and the end of the carrier (HF1-ERR-03).
func (s *Session) Refuse(kind, reason string, o Open) wire.Line {
	p, e := s.Attempt(kind, o)
	if e.Batch == nil || e.Batch.Find("!refused") == nil || e.Batch.Find("!refused").Text("reason") != reason {
		s.T.Fatalf("!open on %s was answered by %s, not refused %s", kind, e, reason)
	}
	if e.Batch.First != 1 || e.Batch.Ack != 0 {
		s.T.Break("HF1-HTTP-10", "an answer that no session takes part in has the head @%d %d", e.Batch.First, e.Batch.Ack)
	}
	if kind != suite.Poll {
		p.End(Within)
	}
	return *e.Batch.Find("!refused")
}

// opened checks what every !opened must say.
func (s *Session) opened(p *Path) {
	o := p.Opened
	_, sel := o.Fields()["sel"].(map[string]any)
	switch {
	case o.Text("id") != SessionID(s.Key):
		s.T.Break("HF1-WHO-02", "the id is %q, not %q", o.Text("id"), SessionID(s.Key))
	case !wire.IsName(o.Text("run"), 16, 64):
		s.T.Break("HF1-WHO-03", "the run is %q", o.Text("run"))
	case s.Run != "" && o.Text("run") != s.Run:
		s.T.Break("HF1-WHO-04", "the run is %q, and was %q before", o.Text("run"), s.Run)
	case o.Number("att") != p.Att:
		s.T.Break("HF1-ATT-02", "att is %d, not %d", o.Number("att"), p.Att)
	case o.Number("v") != 1:
		s.T.Break("HF1-ATT-09", "v is %d, not the 1 that was offered", o.Number("v"))
	case !sel:
		s.T.Break("HF1-SEL-05", "no sel in %s", o)
	}
	if s.Opened.Name == "" {
		s.Opened = o
	}
	s.Run = o.Text("run")
	if win, most := s.Win(), s.MaxMessage(); win < most || most < 1<<10 || s.MaxBatch() < 2048 {
		s.T.Break("HF1-NUM-10", "win %d, maxMessage %d, maxBatch %d are not within the bounds of section 13", win, most, s.MaxBatch())
	}
}

// address is the first line of a POST of that kind.
func (p *Path) address(kind string, fields map[string]any) string {
	f := map[string]any{"key": p.s.Key, "run": p.s.Run, "att": p.Att}
	for name, v := range fields {
		f[name] = v
	}
	return wire.JSON("!"+kind, f)
}

// Poll says what a poll is to hold.
type Poll struct {
	P     uint64 // 0: the next
	Recv  *uint64
	Hold  time.Duration
	Lines []string
}

// Poll sends one poll and waits for its answer, which is nil if it was none. It may be called by several goroutines at once.
func (p *Path) Poll(o Poll) *wire.Batch {
	s := p.s
	s.mu.Lock()
	if o.P == 0 {
		p.P++
		o.P = p.P
	}
	p.P = max(p.P, o.P)
	recv := s.recv
	if o.Recv != nil {
		recv = *o.Recv
	}
	e := Event{On: "poll", from: max(recv, s.ack) + 1}
	s.mu.Unlock()
	nonce := s.nonce()
	f := map[string]any{"p": o.P, "recv": recv}
	if o.Hold > 0 {
		f["hold"] = o.Hold.Milliseconds()
	}
	batch := s.batch(p.address("poll", f), o.Lines)
	s.T.Logf("→ poll %s", strings.ReplaceAll(batch, "\n", " ⏎ "))
	return p.took(e, "poll", nonce, s.Target.Post(p.ctx, wire.WrapBody("poll", nonce, batch), nil))
}

// keepPolling polls until the attachment is over.
func (p *Path) keepPolling(ctx interface{ Err() error }) {
	for ctx.Err() == nil {
		began := time.Now()
		b := p.Poll(Poll{})
		if b == nil || b.Find("!closed") != nil || b.Find("!refused") != nil {
			return
		}
		if d := b.Find("!detach"); d != nil && d.Fields()["gone"] == true {
			return
		}
		if time.Since(began) < 20*time.Millisecond && b.Logs() == 0 {
			time.Sleep(50 * time.Millisecond) // HF1-POL-07, in short
		}
	}
}

// Send sends lines as the next batch: in a frame, or in an up body, of which it returns the reply.
func (p *Path) Send(lines ...string) *wire.Batch {
	if p.Kind == suite.WS {
		p.SendRaw(p.s.batch("", lines))
		return nil
	}
	return p.SendRaw(p.s.batch("", lines))
}

// SendRaw sends a batch as it is; for HTTP the address goes behind the first line. Numbers are the caller's business.
func (p *Path) SendRaw(batch string) *wire.Batch {
	s := p.s
	if p.Kind == suite.WS {
		s.T.Logf("→ ws %q", batch)
		if err := p.Socket.Write(OpText, []byte(batch)); err != nil {
			s.T.Logf("  %v", err)
		}
		return nil
	}
	head, rest, found := strings.Cut(batch, "\n")
	if found {
		batch = head + "\n" + p.address("up", nil) + rest
	}
	s.T.Logf("→ up %q", batch)
	return p.exchange("up", "up", s.nonce(), batch, nil)
}

// Follow opens a stream with a ticket.
func (s *Session) Follow(query, nonce string, att uint64) *Path {
	p := s.Late(att)
	p.Kind = suite.SSE
	s.T.Logf("→ GET a ticket's stream")
	go func() {
		resp, err := s.Target.request(p.ctx, http.MethodGet, query, "", http.Header{"Accept": {"text/event-stream"}})
		if err != nil {
			p.push(Event{On: suite.SSE, Err: err})
			return
		}
		defer resp.Body.Close()
		p.follow(resp, nonce)
	}()
	return p
}

// Late is a path that this side takes for its own, whatever the server thinks.
func (s *Session) Late(att uint64) *Path {
	return s.newPath(suite.Poll, att)
}

// Raced waits for the opened of a path that was begun, and gives its run; it may be called by many goroutines at once.
func (p *Path) Raced(within time.Duration) (run string, ok bool) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		p.s.mu.Lock()
		for _, e := range p.events {
			if e.Batch != nil && e.Batch.Find("!opened") != nil {
				run, ok = e.Batch.Find("!opened").Text("run"), true
			}
		}
		p.s.mu.Unlock()
		if ok {
			return run, true
		}
		select {
		case <-p.news:
		case <-timer.C:
			return "", false
		}
	}
}

// Up does one up exchange beside what goes on, as any transport may, and gives its reply.
func (p *Path) Up(lines ...string) *wire.Batch {
	batch := p.s.batch(p.address("up", nil), lines)
	p.s.T.Logf("→ up %q", batch)
	return p.exchange("up", "up", p.s.nonce(), batch, nil)
}

// Address is the !up line of the path's POSTs.
func (p *Path) Address() string { return p.address("up", nil) }

// SendBinary sends the binary form on a WebSocket, as the next line.
func (p *Path) SendBinary(data []byte, more bool) {
	sign := ""
	if more {
		sign = " +"
	}
	n := p.s.Up() + 1
	p.s.SetUp(n)
	p.SendFrame(fmt.Sprintf("@%d %d%s\n%s", n, p.s.Ack(), sign, data))
}

// SendFrame sends a binary frame as it is.
func (p *Path) SendFrame(frame string) {
	p.s.T.Logf("→ ws binary %q", frame)
	if err := p.Socket.Write(OpBinary, []byte(frame)); err != nil {
		p.s.T.Logf("  %v", err)
	}
}

// Reattach attaches anew on a transport, from where the session is.
func (s *Session) Reattach(kind string) *Path { return s.Open(kind, Open{}) }
