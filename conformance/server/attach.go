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

// Open attaches over a transport, keeps a long poll waiting, and checks what the server says.
func (s *Session) Open(kind string, o Open) *Attachment {
	p := s.OpenWithoutPolls(kind, o)
	if kind == suite.Poll {
		go p.keepPolling(p.ctx)
	}
	return p
}

// OpenWithoutPolls is Open without polls: the case sends them itself.
func (s *Session) OpenWithoutPolls(kind string, o Open) *Attachment {
	line := s.OpenLine(o)
	from := s.Recv()
	if o.Recv != nil {
		from = *o.Recv
	}
	p := s.newAttachment(kind, s.Att)
	p.SetMaxBatch(o.Batch)
	if kind != suite.Poll {
		p.ExpectNext(max(from, s.Ack()) + 1)
	}
	p.start(s.batch(line, o.Lines), o.Header)
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

// Attempt sends an !open and returns the first answer, whatever it is.
func (s *Session) Attempt(kind string, o Open) (*Attachment, Event) {
	line := s.OpenLine(o)
	p := s.Start(kind, s.batch(line, o.Lines), o.Header)
	e, ok := p.Wait(Within, func(Event) bool { return true })
	if !ok {
		s.T.Fatalf("no answer to !open on %s in %v", kind, Within)
	}
	return p, e
}

// ExpectRefused sends an !open and expects a refusal and the end of the connection (HF1-ERR-03).
func (s *Session) ExpectRefused(kind, reason string, o Open) wire.Line {
	p, e := s.Attempt(kind, o)
	if e.Batch == nil || e.Batch.Find("!refused") == nil || e.Batch.Find("!refused").Text("reason") != reason {
		s.T.Fatalf("!open on %s was answered by %s, not refused %s", kind, e, reason)
	}
	if e.Batch.First != 1 || e.Batch.Ack != 0 {
		s.T.Break("HF1-HTTP-10", "an answer that no session takes part in has the head @%d %d", e.Batch.First,
			e.Batch.Ack)
	}
	if kind != suite.Poll {
		p.End(Within)
	}
	return *e.Batch.Find("!refused")
}

// opened checks what each !opened must say.
func (s *Session) opened(p *Attachment) {
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
		s.T.Break("HF1-NUM-10", "win %d, maxMessage %d, maxBatch %d are not within the bounds of section 13", win, most,
			s.MaxBatch())
	}
}

// address is the first line of a POST of that kind.
func (p *Attachment) address(kind string, fields map[string]any) string {
	f := map[string]any{"key": p.s.Key, "run": p.s.Run, "att": p.Att}
	for name, v := range fields {
		f[name] = v
	}
	return wire.JSON("!"+kind, f)
}

// Poll says what a poll holds.
type Poll struct {
	P     uint64 // 0: the next
	Recv  *uint64
	Hold  time.Duration
	Lines []string
}

// Poll sends one poll and waits for its answer. It returns nil if there was none. Several
// goroutines may call it at once.
func (p *Attachment) Poll(o Poll) *wire.Batch {
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
	return p.pushReply(e, "poll", nonce, s.Target.Post(p.ctx, wire.WrapBody("poll", nonce, batch), nil))
}

// keepPolling polls until the attachment is over.
func (p *Attachment) keepPolling(ctx interface{ Err() error }) {
	for ctx.Err() == nil {
		start := time.Now()
		b := p.Poll(Poll{})
		if b == nil || b.Find("!closed") != nil || b.Find("!refused") != nil {
			return
		}
		if d := b.Find("!detach"); d != nil && d.Fields()["gone"] == true {
			return
		}
		if time.Since(start) < 20*time.Millisecond && b.Logs() == 0 {
			time.Sleep(50 * time.Millisecond) // HF1-POL-07, with a shorter pause
		}
	}
}

// Send sends lines as the next batch: in a frame, or in an up body, whose reply it returns.
func (p *Attachment) Send(lines ...string) *wire.Batch {
	if p.Kind == suite.WS {
		p.SendRaw(p.s.batch("", lines))
		return nil
	}
	return p.SendRaw(p.s.batch("", lines))
}

// SendRaw sends a batch as it is. Over HTTP the address goes behind the first line. The numbers are
// the caller's concern.
func (p *Attachment) SendRaw(batch string) *wire.Batch {
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

// FollowTicket opens a stream with a ticket.
func (s *Session) FollowTicket(query, nonce string, att uint64) *Attachment {
	p := s.Assume(att)
	p.Kind = suite.SSE
	s.T.Logf("→ GET a ticket's stream")
	go func() {
		resp, err := s.Target.request(p.ctx, http.MethodGet, query, "", http.Header{"Accept": {"text/event-stream"}})
		if err != nil {
			p.push(Event{On: suite.SSE, Err: err})
			return
		}
		defer resp.Body.Close()
		p.readEvents(resp, nonce)
	}()
	return p
}

// Assume returns an attachment that this side takes as its own, even if the server does not know
// it.
func (s *Session) Assume(att uint64) *Attachment {
	return s.newAttachment(suite.Poll, att)
}

// WaitRun waits for the !opened of an attachment that was started, and returns its run. Many
// goroutines may call it at once.
func (p *Attachment) WaitRun(within time.Duration) (run string, ok bool) {
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

// Up does one up exchange, whatever else goes on, as every transport may. It returns the reply.
func (p *Attachment) Up(lines ...string) *wire.Batch {
	batch := p.s.batch(p.address("up", nil), lines)
	p.s.T.Logf("→ up %q", batch)
	return p.exchange("up", "up", p.s.nonce(), batch, nil)
}

// Address is the !up line of the attachment's POSTs.
func (p *Attachment) Address() string { return p.address("up", nil) }

// SendBinary sends the binary form on a WebSocket, as the next line.
func (p *Attachment) SendBinary(data []byte, more bool) {
	sign := ""
	if more {
		sign = " +"
	}
	n := p.s.Up() + 1
	p.s.SetUp(n)
	p.SendFrame(fmt.Sprintf("@%d %d%s\n%s", n, p.s.Ack(), sign, data))
}

// SendFrame sends a binary frame as it is.
func (p *Attachment) SendFrame(frame string) {
	p.s.T.Logf("→ ws binary %q", frame)
	if err := p.Socket.Write(OpBinary, []byte(frame)); err != nil {
		p.s.T.Logf("  %v", err)
	}
}

// Reattach attaches again over a transport, from the session's present position.
func (s *Session) Reattach(kind string) *Attachment { return s.Open(kind, Open{}) }
