package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Attachment is one attachment, or an attempt at one.
type Attachment struct {
	// Kind is suite.WS, suite.SSE or suite.Poll.
	Kind string
	Att  uint64
	// Opened is the server's !opened, empty until it comes.
	Opened wire.Line
	// P is the number of the last poll.
	P uint64
	// Socket is the connection of a WebSocket.
	Socket *Socket

	s        *Session
	ctx      context.Context
	cancel   context.CancelFunc
	maxBatch int    // what this side stated
	next     uint64 // the down line that must come next, 0 if that is not known; under the session's lock
	events   []Event
	news     chan struct{}
}

// Start sends a first batch as it is, with or without an !open, over a transport. Header may be
// nil.
func (s *Session) Start(kind, batch string, header map[string]string) *Attachment {
	p := s.newAttachment(kind, s.Att)
	p.start(batch, header)
	return p
}

func (s *Session) newAttachment(kind string, att uint64) *Attachment {
	p := &Attachment{Kind: kind, Att: att, s: s, news: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(s.T.Context())
	s.T.Cleanup(p.cancel)
	return p
}

func (p *Attachment) start(batch string, header map[string]string) {
	s := p.s
	s.T.Logf("→ %s %s", p.Kind, strings.ReplaceAll(batch, "\n", " ⏎ "))
	h := http.Header{}
	for name, v := range header {
		h.Set(name, v)
	}
	switch p.Kind {
	case suite.WS:
		s.startSocket(p, batch, header)
	case suite.SSE:
		h.Set("Accept", "text/event-stream")
		go p.readStream(s.nonce(), batch, h)
	default:
		go p.exchange("open", "open", s.nonce(), batch, h)
	}
}

func (s *Session) startSocket(p *Attachment, batch string, header map[string]string) {
	sock, err := s.Target.Socket(p.ctx, header)
	switch {
	case err != nil:
		p.push(Event{On: suite.WS, Err: err})
		return
	case sock.Response.StatusCode != http.StatusSwitchingProtocols:
		p.push(Event{On: suite.WS, Err: &StatusError{sock.Response.StatusCode}})
		return
	}
	p.Socket = sock
	go p.readSocket()
	if err := sock.Write(OpText, []byte(batch)); err != nil {
		p.push(Event{On: suite.WS, Err: err})
	}
}

func (p *Attachment) readSocket() {
	var whole []byte
	var op byte
	for {
		f, err := p.Socket.Read()
		if err != nil {
			p.push(Event{On: suite.WS, Err: err})
			return
		}
		if f.RSV != 0 {
			p.push(Event{
				On: suite.WS,
				Err: &wire.Error{
					Requirement: "HF1-WSK-02", Text: "a frame with reserved bits, and no extension was negotiated",
				},
			})
			return
		}
		switch f.Op {
		case OpPing:
			_ = p.Socket.Write(OpPong, f.Payload)
			continue
		case OpPong:
			continue
		case OpClose:
			_ = p.Socket.Write(OpClose, f.Payload)
			p.push(Event{On: suite.WS, Err: io.EOF, Code: f.CloseCode()})
			return
		case OpText, OpBinary:
			whole, op = f.Payload, f.Op
		default: // a continuation
			whole = append(whole, f.Payload...)
		}
		if !f.Fin {
			continue
		}
		e := Event{On: suite.WS, Binary: op == OpBinary}
		if e.Binary {
			e.Batch, e.Err = wire.ParseFrame(whole)
		} else {
			e.Batch, e.Err = wire.Parse(whole)
		}
		p.push(e)
	}
}

func (p *Attachment) readStream(nonce, batch string, h http.Header) {
	resp, err := p.s.Target.request(p.ctx, "", "", wire.WrapBody("stream", nonce, batch), h)
	if err != nil {
		p.push(Event{On: suite.SSE, Err: err})
		return
	}
	defer resp.Body.Close()
	p.readEvents(resp, nonce)
}

// readEvents reads a stream to its end.
func (p *Attachment) readEvents(resp *http.Response, nonce string) {
	if resp.StatusCode != http.StatusOK {
		p.push(Event{On: suite.SSE, Err: &StatusError{resp.StatusCode}})
		return
	}
	if err := checkStreamHeaders(resp.Header); err != nil {
		p.push(Event{On: suite.SSE, Err: err})
		return
	}
	r := wire.NewStream(resp.Body)
	for first := true; ; first = false {
		b, err := r.Next()
		switch {
		case err != nil:
		case first && r.Comment < 2048:
			err = &wire.Error{Requirement: "HF1-SSE-01", Text: "less than 2 KiB of comment before the first event"}
		case first && (r.Kind != "stream" || r.Nonce != nonce):
			err = &wire.Error{
				Requirement: "HF1-HTTP-01", Text: "the stream's preamble has kind " + r.Kind + " and nonce " + r.Nonce,
			}
		}
		if err != nil {
			b = nil
		}
		p.push(Event{On: suite.SSE, Batch: b, Err: err})
		if err != nil {
			return
		}
	}
}

func checkStreamHeaders(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" {
		return &wire.Error{Requirement: "HF1-SSE-01", Text: "the stream has content coding " + enc}
	}
	if h.Get("X-Accel-Buffering") != "no" {
		return &wire.Error{Requirement: "HF1-SSE-01", Text: "the stream has no X-Accel-Buffering: no"}
	}
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if media != "text/event-stream" {
		return &wire.Error{Requirement: "HF1-SSE-01", Text: "Content-Type " + h.Get("Content-Type")}
	}
	if !hasDirective(h, "no-transform") {
		return &wire.Error{
			Requirement: "HF1-SSE-01", Text: "Cache-Control without no-transform: " + h.Get("Cache-Control"),
		}
	}
	return CheckAnyHeaders(h)
}

// exchange does one POST and pushes what it brings.
func (p *Attachment) exchange(on, kind, nonce, batch string, h http.Header) *wire.Batch {
	r := p.s.Target.Post(p.ctx, wire.WrapBody(kind, nonce, batch), h)
	return p.pushReply(Event{On: on}, kind, nonce, r)
}

// pushReply makes an event of an answer.
func (p *Attachment) pushReply(e Event, kind, nonce string, r *Reply) *wire.Batch {
	if r.Err == nil && r.Status != http.StatusOK {
		if e.Err = CheckAnyHeaders(r.Header); e.Err == nil {
			e.Err = &StatusError{r.Status}
		}
	} else {
		e.Batch, e.Err = r.Body(kind, nonce)
	}
	p.push(e)
	return e.Batch
}

// push adds an event.
func (p *Attachment) push(e Event) {
	if p.ctx.Err() != nil && e.Batch == nil { // the case has ended the attachment
		var w *wire.Error
		if !errors.As(e.Err, &w) {
			e.Err = io.EOF
		}
	}
	p.s.T.Logf("%s", e)
	if e.Batch != nil {
		p.s.receive(p, e)
	}
	p.s.mu.Lock()
	if requirement, text := e.breaks(); requirement != "" {
		p.s.noteFault(requirement, "%s", text)
	}
	p.events = append(p.events, e)
	p.s.mu.Unlock()
	for _, c := range []chan struct{}{p.news, p.s.news} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Wait waits for an event that match accepts, and removes it from the list. It returns false when
// the time is over.
func (p *Attachment) Wait(within time.Duration, match func(Event) bool) (Event, bool) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		p.s.Check()
		p.s.mu.Lock()
		for i, e := range p.events {
			if match(e) {
				p.events = append(p.events[:i:i], p.events[i+1:]...)
				p.s.mu.Unlock()
				return e, true
			}
		}
		p.s.mu.Unlock()
		select {
		case <-p.news:
		case <-timer.C:
			return Event{}, false
		case <-p.s.T.Context().Done():
			return Event{}, false
		}
	}
}

// Forget drops the events that came so far.
func (p *Attachment) Forget() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.events = nil
}

// Control waits for a control, named with its sign, and removes it. The other lines of its batch
// stay.
func (p *Attachment) Control(name string, within time.Duration) wire.Line {
	l, ok := p.line(within, func(l wire.Line) bool { return l.Is(name) })
	if !ok {
		p.s.T.Fatalf("no %s came on %s in %v", name, p.Kind, within)
	}
	return l
}

// line removes and returns the first line that match accepts.
func (p *Attachment) line(within time.Duration, match func(wire.Line) bool) (l wire.Line, ok bool) {
	e, ok := p.Wait(within, func(e Event) bool { return e.Batch != nil && slices.ContainsFunc(e.Batch.Lines, match) })
	if !ok {
		return l, false
	}
	i := slices.IndexFunc(e.Batch.Lines, match)
	l = e.Batch.Lines[i]
	rest := *e.Batch
	if rest.Lines = slices.Delete(slices.Clone(rest.Lines), i, i+1); len(rest.Lines) > 0 {
		e.Batch = &rest
		p.s.mu.Lock()
		p.events = slices.Insert(p.events, 0, e)
		p.s.mu.Unlock()
	}
	return l, true
}

// NoControl checks that no control of that name comes for a while.
func (p *Attachment) NoControl(name string, d time.Duration) {
	if e, came := p.Wait(d, func(e Event) bool { return e.Batch != nil && e.Batch.Find(name) != nil }); came {
		p.s.T.Fatalf("%s came where none is due: %s", name, e)
	}
}

// Lines waits for a batch with log lines, and removes it.
func (p *Attachment) Lines(within time.Duration) *wire.Batch {
	e, ok := p.Wait(within, func(e Event) bool { return e.Batch != nil && e.Batch.Logs() > 0 })
	if !ok {
		p.s.T.Fatalf("no log line came on %s in %v", p.Kind, within)
	}
	return e.Batch
}

// Gone waits for a !detach with gone, and removes it.
func (p *Attachment) Gone(within time.Duration) wire.Line {
	l, ok := p.line(within, func(l wire.Line) bool { return l.Is("!detach") && l.Fields()["gone"] == true })
	if !ok {
		p.s.T.Fatalf("no !detach with gone came on %s in %v", p.Kind, within)
	}
	return l
}

// Refused waits for a !refused and returns it.
func (p *Attachment) Refused(within time.Duration) wire.Line { return p.Control("!refused", within) }

// End waits for the end of the connection.
func (p *Attachment) End(within time.Duration) Event {
	e, ok := p.Wait(within, func(e Event) bool { return e.Batch == nil })
	if !ok {
		p.s.T.Break("HF1-ERR-03", "the carrier did not end in %v", within)
	}
	return e
}

// Drop ends the connection from this side, a WebSocket with a reset.
func (p *Attachment) Drop() {
	p.s.T.Logf("✂ %s of attachment %d", p.Kind, p.Att)
	if p.Socket != nil {
		p.Socket.Close(true)
	}
	p.cancel()
}

// SetMaxBatch sets the maxBatch that this side stated, for what comes from now on; 0: none.
func (p *Attachment) SetMaxBatch(maxBatch int) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.maxBatch = 65536; maxBatch > 0 {
		p.maxBatch = min(max(maxBatch, 2048), 1<<20)
	}
}

// ExpectNext sets the number of the next line on this attachment; 0: unknown.
func (p *Attachment) ExpectNext(n uint64) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.next = n
}
