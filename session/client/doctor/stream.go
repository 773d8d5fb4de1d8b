package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// events is an event stream, read by its own goroutine. It keeps what came and when: the times are
// the evidence.
type events struct {
	p            *probe
	reply        *reply
	came         chan event // closed at the end
	err          error      // why it ended; it belongs to the reader until came is closed
	dead         bool       // came is closed
	started      time.Time  // the request
	seen         map[string]time.Time
	again        map[string]int // how often, if more than once
	bytes        int            // of the stream that came
	answer       []int          // pings of the server that need a pong
	pinged       bool
	lastReceived time.Time // when the last event came
	closed       bool
}

// event is a received event: its data, and the bytes of the stream up to its end.
type event struct {
	data  []byte
	total int
	at    time.Time
}

// stream tries an event stream: its beacons, pings by POST, and how long it stays open.
func (d *diagnosis) stream(ctx context.Context, p *probe) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := make(chan *reply, 1)
	var t *problem
	batch := p.batch(p.open(p.att, true))
	go func() {
		defer close(answer)
		var r *reply
		if r, t = p.send(ctx, transport.KindStream, remaining(ctx, time.Hour), batch); r != nil {
			answer <- r
		}
	}()
	var r *reply
	select {
	case r = <-answer:
	case <-time.After(remaining(ctx, headerWait)):
		d.heldWhole(ctx, p, answer)
		cancel()
		for r := range answer {
			r.close()
		}
		return
	}
	if r == nil {
		p.streamProblem(t)
		return
	}
	s := p.events(r)
	defer s.end(ctx)
	if !s.answered(ctx) {
		return
	}
	if !s.live(ctx) {
		s.findHold(ctx)
		return
	}
	if s.watch(ctx, remaining(ctx, watchTime)) && d.o.Long {
		d.longStream(ctx, p)
	}
}

// streamProblem records why there is no stream.
func (p *probe) streamProblem(t *problem) {
	if t.id == "post-refused" {
		t = &problem{"sse-refused", t.evidence}
	}
	p.problem(t)
}

// events starts to read the reply as a stream.
func (p *probe) events(r *reply) *events {
	s := &events{
		p: p, reply: r, came: make(chan event, 64), started: r.sent,
		seen: map[string]time.Time{}, again: map[string]int{},
	}
	s.seen["header"] = time.Now()
	go s.read()
	return s
}

// read splits the stream at its blank lines. Bytes after the last one are not an event
// (HF1-SSE-04).
func (s *events) read() {
	defer close(s.came)
	in := bufio.NewReaderSize(s.reply.Body, 64<<10)
	var data, raw []byte
	total := 0
	for {
		line, err := in.ReadSlice('\n')
		total += len(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) || len(data) > 1<<20 {
			if s.err = err; len(data)+len(raw)+len(line) > 0 { // for an answer that is not an event stream
				s.came <- event{append(append(raw, data...), line...), total, time.Now()}
			}
			return
		}
		line = bytes.TrimRight(line, "\r\n")
		switch value, ok := bytes.CutPrefix(line, []byte("data:")); {
		case ok:
			data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
		case len(line) == 0 && len(data) > 0:
			s.came <- event{data, total, time.Now()}
			data = nil
		case len(line) > 0 && line[0] != ':' && len(raw) < 1024:
			raw = append(append(raw, line...), '\n')
		}
	}
}

// take records one event. It returns false if more of the stream is of no use.
func (s *events) take(e event) bool {
	s.bytes, s.lastReceived = e.total, e.at
	var k *packet
	var t *problem
	if _, first := s.seen["first"]; !first {
		k, t = decode(e.data, s.reply.preamble, nil)
	} else if lines, err := transport.DecodeLines(e.data); err != nil {
		t = &problem{"reply-altered", "an event cannot be read: " + quote(e.data)}
	} else if k, err = parse(lines); err != nil {
		t = &problem{"reply-altered", "an event cannot be read: " + quote(e.data)}
	}
	if t != nil {
		if t.id == "reply-truncated" {
			return true // the rest of a stream that was cut
		}
		s.p.streamProblem(t)
		return false
	}
	if !s.has("first") {
		s.see("first", e.at)
		s.p.d.checkCaching(s.reply.Header)
	}
	if !s.p.take(k) {
		return false
	}
	if k.get("!opened", nil) {
		s.see("opened", e.at)
	}
	k.each("?beacon", func(i int) { s.see(fmt.Sprint("beacon ", i), e.at) })
	k.each("!pong", func(i int) { s.see(fmt.Sprint("pong ", i), e.at) })
	k.each("!ping", func(i int) { s.answer = append(s.answer, i) })
	s.closed = s.closed || k.get("!closed", nil)
	return true
}

func (s *events) see(what string, at time.Time) {
	if _, ok := s.seen[what]; !ok {
		s.seen[what] = at
	}
	s.again[what]++
}

func (s *events) has(what string) bool { _, ok := s.seen[what]; return ok }

// since returns when something came, counted from the request.
func (s *events) since(what string) string {
	if at, ok := s.seen[what]; ok {
		return what + " after " + took(at.Sub(s.started))
	}
	return what + " not at all"
}

// until takes events until done returns true. It returns false if the wait or the stream has ended.
func (s *events) until(ctx context.Context, wait time.Duration, done func() bool) bool {
	late := time.NewTimer(max(wait, 0))
	defer late.Stop()
	for !done() {
		select {
		case e, ok := <-s.came:
			if !ok {
				s.dead = true
				return false
			}
			if !s.take(e) {
				return false
			}
		case <-late.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (s *events) await(ctx context.Context, wait time.Duration, what string) bool {
	return s.until(ctx, wait, func() bool { return s.has(what) })
}

// ping makes the server send a pong on the stream. It returns false if the POST itself did not
// pass.
func (s *events) ping(ctx context.Context, i int) bool {
	lines := []string{s.p.up(), ping(i)}
	for _, n := range s.answer {
		lines = append(lines, pong(n))
	}
	s.answer, s.pinged = nil, true
	sent := time.Now()
	_, t := s.p.post(ctx, transport.KindUp, remaining(ctx, replyWait+s.p.responseTimeout()), s.p.batch(lines...))
	if t != nil {
		s.p.problem(t)
		return false
	}
	if s.p.result.RTT < 0 {
		s.p.result.RTT = ms(time.Since(sent))
	}
	return true
}

// answered waits for the first event. It returns false after it has recorded what came instead.
func (s *events) answered(ctx context.Context) bool {
	if s.await(ctx, remaining(ctx, replyWait), "opened") {
		return true
	}
	if s.p.failed() || spent(ctx) {
		return false
	}
	if s.dead {
		s.p.find("sse-cut",
			fmt.Sprintf("the stream ended %s after the request, before its first event", took(time.Since(s.started))))
		return false
	}
	s.findHold(ctx)
	return false
}

// live reports whether events pass at once (HF1-SSE-02, HF1-SSE-03).
func (s *events) live(ctx context.Context) bool {
	opened := s.seen["opened"]
	s.p.result.RTT = ms(opened.Sub(s.started)) // a first value
	in := opened.Add(300*time.Millisecond + s.p.responseTimeout())
	s.p.result.RTT = -1
	if !s.await(ctx, time.Until(in), "beacon 2") || !s.ping(ctx, 1) {
		return s.over(ctx)
	}
	if !s.await(ctx, s.p.responseTimeout(), "pong 1") {
		return s.over(ctx)
	}
	if s.until(ctx, 250*time.Millisecond, func() bool { return s.again["pong 1"] > 1 }) {
		s.p.find("request-repeated", "one ping was sent by POST, and the server answered it twice")
	}
	return true
}

// over reports whether it is useless to go on; false if the stream is only held back.
func (s *events) over(ctx context.Context) bool { return s.dead || s.p.failed() || spent(ctx) }

// watch pings by POST and reads the stream for some time. It returns false if the stream failed.
func (s *events) watch(ctx context.Context, total time.Duration) bool {
	i := 1
	for end := time.Now().Add(total); ; {
		s.until(ctx, min(pingEvery, time.Until(end)), func() bool { return false })
		switch {
		case spent(ctx) || s.p.failed():
			return false
		case s.dead:
			s.p.find("sse-cut",
				fmt.Sprintf("the stream ended %s after the request: %s", took(time.Since(s.started)), s.why()))
			return false
		case time.Until(end) <= 0:
			return true
		}
		if i++; !s.ping(ctx, i) {
			return false
		}
		s.await(ctx, replyWait, fmt.Sprint("pong ", i))
		switch {
		case s.dead || spent(ctx) || s.p.failed(): // the next iteration records it
		case !s.has(fmt.Sprint("pong ", i)):
			s.p.find("sse-silent", fmt.Sprintf("%s after the request the stream fell silent: "+
				"a ping was taken, its pong did not come within %s", took(time.Since(s.started)), took(replyWait)))
			return false
		default:
			s.p.result.Watched = ms(time.Since(s.started))
		}
	}
}

func (s *events) why() string {
	if errors.Is(s.err, io.EOF) {
		return "as if it were complete"
	}
	return clean(fmt.Sprint(s.err), 100)
}

// end closes the session and the stream.
func (s *events) end(ctx context.Context) {
	if !s.closed {
		s.p.closeSession(ctx)
	}
	s.reply.close()
	for range s.came { // until the reader ends
	}
}

// times returns what came and when, in one line.
func (s *events) times(what ...string) string {
	parts := make([]string, len(what))
	for i, w := range what {
		parts[i] = s.since(w)
	}
	return strings.Join(parts, ", ")
}
