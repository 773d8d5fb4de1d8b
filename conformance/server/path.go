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

// Path is one attachment, or an attempt at one.
type Path struct {
	// Kind is suite.WS, suite.SSE or suite.Poll.
	Kind string
	Att  uint64
	// Opened is what the server said, empty until then.
	Opened wire.Line
	// P is the number of the last poll.
	P uint64
	// Socket is that of a WebSocket.
	Socket *Socket

	s        *Session
	ctx      context.Context
	cancel   context.CancelFunc
	maxBatch int    // what this side said
	next     uint64 // the down line that must come next, 0 if that is not known; under the session's lock
	events   []Event
	news     chan struct{}
}

// Begin sends a first batch as it is, of an !open or not, on a transport. Header may be nil.
func (s *Session) Begin(kind, batch string, header map[string]string) *Path {
	p := s.newPath(kind, s.Att)
	p.begin(batch, header)
	return p
}

func (s *Session) newPath(kind string, att uint64) *Path {
	p := &Path{Kind: kind, Att: att, s: s, news: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(s.T.Context())
	s.T.Cleanup(p.cancel)
	return p
}

func (p *Path) begin(batch string, header map[string]string) {
	s := p.s
	s.T.Logf("→ %s %s", p.Kind, strings.ReplaceAll(batch, "\n", " ⏎ "))
	h := http.Header{}
	for name, v := range header {
		h.Set(name, v)
	}
	switch p.Kind {
	case suite.WS:
		s.beginSocket(p, batch, header)
	case suite.SSE:
		h.Set("Accept", "text/event-stream")
		go p.readStream(s.nonce(), batch, h)
	default:
		go p.exchange("open", "open", s.nonce(), batch, h)
	}
}

func (s *Session) beginSocket(p *Path, batch string, header map[string]string) {
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

func (p *Path) readSocket() {
	var whole []byte
	var op byte
	for {
		f, err := p.Socket.Read()
		if err != nil {
			p.push(Event{On: suite.WS, Err: err})
			return
		}
		if f.RSV != 0 {
			p.push(Event{On: suite.WS, Err: &wire.Error{Requirement: "HF1-WSK-02", Text: "a frame with reserved bits, and no extension was negotiated"}})
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

func (p *Path) readStream(nonce, batch string, h http.Header) {
	resp, err := p.s.Target.request(p.ctx, "", "", wire.WrapBody("stream", nonce, batch), h)
	if err != nil {
		p.push(Event{On: suite.SSE, Err: err})
		return
	}
	defer resp.Body.Close()
	p.follow(resp, nonce)
}

// follow reads a stream to its end.
func (p *Path) follow(resp *http.Response, nonce string) {
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
			err = &wire.Error{Requirement: "HF1-HTTP-01", Text: "the stream's preamble has kind " + r.Kind + " and nonce " + r.Nonce}
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
		return &wire.Error{Requirement: "HF1-SSE-01", Text: "Cache-Control without no-transform: " + h.Get("Cache-Control")}
	}
	return CheckAnyHeaders(h)
}

// exchange does one POST and pushes what it brings.
func (p *Path) exchange(on, kind, nonce, batch string, h http.Header) *wire.Batch {
	r := p.s.Target.Post(p.ctx, wire.WrapBody(kind, nonce, batch), h)
	return p.took(Event{On: on}, kind, nonce, r)
}

// took makes an answer an event.
func (p *Path) took(e Event, kind, nonce string, r *Reply) *wire.Batch {
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

// push takes an event in.
func (p *Path) push(e Event) {
	if p.ctx.Err() != nil && e.Batch == nil { // the case has dropped it
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
		p.s.broken(requirement, "%s", text)
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

// Wait waits for an event that match takes, and takes it out of those that came. False: the time is over.
func (p *Path) Wait(within time.Duration, match func(Event) bool) (Event, bool) {
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

// Forget leaves out the events that came so far.
func (p *Path) Forget() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.events = nil
}

// Control waits for that control, named with its sign, and takes it; what else its batch brought stays.
func (p *Path) Control(name string, within time.Duration) wire.Line {
	l, ok := p.line(within, func(l wire.Line) bool { return l.Is(name) })
	if !ok {
		p.s.T.Fatalf("no %s came on %s in %v", name, p.Kind, within)
	}
	return l
}

// line takes the first line that match takes.
func (p *Path) line(within time.Duration, match func(wire.Line) bool) (l wire.Line, ok bool) {
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

// NoControl checks that none of that name comes for a while.
func (p *Path) NoControl(name string, d time.Duration) {
	if e, came := p.Wait(d, func(e Event) bool { return e.Batch != nil && e.Batch.Find(name) != nil }); came {
		p.s.T.Fatalf("%s came where none is due: %s", name, e)
	}
}

// Lines waits for a batch with log lines, and takes it.
func (p *Path) Lines(within time.Duration) *wire.Batch {
	e, ok := p.Wait(within, func(e Event) bool { return e.Batch != nil && e.Batch.Logs() > 0 })
	if !ok {
		p.s.T.Fatalf("no log line came on %s in %v", p.Kind, within)
	}
	return e.Batch
}

// Gone waits for a !detach with gone, and takes it.
func (p *Path) Gone(within time.Duration) wire.Line {
	l, ok := p.line(within, func(l wire.Line) bool { return l.Is("!detach") && l.Fields()["gone"] == true })
	if !ok {
		p.s.T.Fatalf("no !detach with gone came on %s in %v", p.Kind, within)
	}
	return l
}

// Refused waits for a !refused and gives its reason.
func (p *Path) Refused(within time.Duration) wire.Line { return p.Control("!refused", within) }

// End waits for the end of the carrier.
func (p *Path) End(within time.Duration) Event {
	e, ok := p.Wait(within, func(e Event) bool { return e.Batch == nil })
	if !ok {
		p.s.T.Break("HF1-ERR-03", "the carrier did not end in %v", within)
	}
	return e
}

// Drop ends the carrier from this side, a WebSocket with a reset.
func (p *Path) Drop() {
	p.s.T.Logf("✂ %s of attachment %d", p.Kind, p.Att)
	if p.Socket != nil {
		p.Socket.Close(true)
	}
	p.cancel()
}

// Takes says what maxBatch this side stated, for what comes from now on; 0: none.
func (p *Path) Takes(maxBatch int) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.maxBatch = 65536; maxBatch > 0 {
		p.maxBatch = min(max(maxBatch, 2048), 1<<20)
	}
}

// Begins says that the next line on this path is n; 0: unknown.
func (p *Path) Begins(n uint64) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.next = n
}
