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

// events is an event stream, read by a goroutine of its own. What came and when is kept: the times
// are the evidence.
type events struct {
	p      *probe
	reply  *reply
	came   chan event // closed at the end
	err    error      // why it ended; the reader's until came is closed
	dead   bool       // came is closed
	born   time.Time  // the request
	seen   map[string]time.Time
	again  map[string]int // how often, where more than once
	bytes  int            // of the stream that came
	answer []int          // pings of the server's that want a pong
	pinged bool
	heard  time.Time // when something came last
	closed bool
}

// event is one that came: its data, and how many bytes of the stream had come by then.
type event struct {
	data  []byte
	total int
	at    time.Time
}

// stream tries an event stream: its beacons, pings by POST beside it, its life.
func (d *diagnosis) stream(ctx context.Context, p *probe) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := make(chan *reply, 1)
	var t *trouble
	batch := p.batch(p.open(p.att, true))
	go func() {
		defer close(answer)
		var r *reply
		if r, t = p.send(ctx, transport.KindStream, rest(ctx, time.Hour), batch); r != nil {
			answer <- r
		}
	}()
	var r *reply
	select {
	case r = <-answer:
	case <-time.After(rest(ctx, headerWait)):
		d.heldWhole(ctx, p, answer)
		cancel()
		for r := range answer {
			r.close()
		}
		return
	}
	if r == nil {
		p.streamTrouble(t)
		return
	}
	s := p.events(r)
	defer s.end(ctx)
	if !s.answered(ctx) {
		return
	}
	if !s.live(ctx) {
		s.whatHolds(ctx)
		return
	}
	if s.watch(ctx, rest(ctx, watchFor)) && d.o.Long {
		d.longStream(ctx, p)
	}
}

// streamTrouble books why there is no stream.
func (p *probe) streamTrouble(t *trouble) {
	if t.id == "post-refused" {
		t = &trouble{"sse-refused", t.evidence}
	}
	p.trouble(t)
}

// events reads the reply for a stream.
func (p *probe) events(r *reply) *events {
	s := &events{
		p: p, reply: r, came: make(chan event, 64), born: r.sent,
		seen: map[string]time.Time{}, again: map[string]int{},
	}
	s.seen["header"] = time.Now()
	go s.read()
	return s
}

// read takes the stream apart at its blank lines. A tail without one is no event (HF1-SSE-04).
func (s *events) read() {
	defer close(s.came)
	in := bufio.NewReaderSize(s.reply.Body, 64<<10)
	var data, raw []byte
	total := 0
	for {
		line, err := in.ReadSlice('\n')
		total += len(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) || len(data) > 1<<20 {
			if s.err = err; len(data)+len(raw)+len(line) > 0 { // for what is no event stream
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

// take books one event. False: the stream is not worth reading on.
func (s *events) take(e event) bool {
	s.bytes, s.heard = e.total, e.at
	var k *packet
	var t *trouble
	if _, first := s.seen["first"]; !first {
		k, t = decode(e.data, s.reply.preamble, nil)
	} else if lines, err := transport.DecodeLines(e.data); err != nil {
		t = &trouble{"reply-altered", "an event cannot be read: " + quote(e.data)}
	} else if k, err = parse(lines); err != nil {
		t = &trouble{"reply-altered", "an event cannot be read: " + quote(e.data)}
	}
	if t != nil {
		if t.id == "reply-truncated" {
			return true // the tail of a stream that was cut
		}
		s.p.streamTrouble(t)
		return false
	}
	if !s.has("first") {
		s.see("first", e.at)
		s.p.d.lookAtCaching(s.reply.Header)
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

// since tells when something came, from the request on.
func (s *events) since(what string) string {
	if at, ok := s.seen[what]; ok {
		return what + " after " + took(at.Sub(s.born))
	}
	return what + " not at all"
}

// until takes events until done says so; false: the wait is over, or the stream.
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

// ping has the server say a pong on the stream. False: the POST itself did not pass.
func (s *events) ping(ctx context.Context, i int) bool {
	lines := []string{s.p.up(), ping(i)}
	for _, n := range s.answer {
		lines = append(lines, pong(n))
	}
	s.answer, s.pinged = nil, true
	sent := time.Now()
	_, t := s.p.post(ctx, transport.KindUp, rest(ctx, speakWait+s.p.patience()), s.p.batch(lines...))
	if t != nil {
		s.p.trouble(t)
		return false
	}
	if s.p.result.RTT < 0 {
		s.p.result.RTT = ms(time.Since(sent))
	}
	return true
}

// answered waits for the first event. False: what came instead is booked.
func (s *events) answered(ctx context.Context) bool {
	if s.await(ctx, rest(ctx, speakWait), "opened") {
		return true
	}
	if s.p.failed() || spent(ctx) {
		return false
	}
	if s.dead {
		s.p.find("sse-cut",
			fmt.Sprintf("the stream ended %s after the request, before its first event", took(time.Since(s.born))))
		return false
	}
	s.whatHolds(ctx)
	return false
}

// live tells whether events pass as they are sent (HF1-SSE-02, HF1-SSE-03).
func (s *events) live(ctx context.Context) bool {
	opened := s.seen["opened"]
	s.p.result.RTT = ms(opened.Sub(s.born)) // for now
	in := opened.Add(300*time.Millisecond + s.p.patience())
	s.p.result.RTT = -1
	if !s.await(ctx, time.Until(in), "beacon 2") || !s.ping(ctx, 1) {
		return s.over(ctx)
	}
	if !s.await(ctx, s.p.patience(), "pong 1") {
		return s.over(ctx)
	}
	if s.until(ctx, 250*time.Millisecond, func() bool { return s.again["pong 1"] > 1 }) {
		s.p.find("request-repeated", "one ping was sent by POST, and the server answered it twice")
	}
	return true
}

// over: false where something holds the stream, true where there is no use in looking on.
func (s *events) over(ctx context.Context) bool { return s.dead || s.p.failed() || spent(ctx) }

// watch pings by POST and reads the stream for a while. False: it did not live.
func (s *events) watch(ctx context.Context, total time.Duration) bool {
	i := 1
	for end := time.Now().Add(total); ; {
		s.until(ctx, min(pingEvery, time.Until(end)), func() bool { return false })
		switch {
		case spent(ctx) || s.p.failed():
			return false
		case s.dead:
			s.p.find("sse-cut",
				fmt.Sprintf("the stream ended %s after the request: %s", took(time.Since(s.born)), s.why()))
			return false
		case time.Until(end) <= 0:
			return true
		}
		if i++; !s.ping(ctx, i) {
			return false
		}
		s.await(ctx, speakWait, fmt.Sprint("pong ", i))
		switch {
		case s.dead || spent(ctx) || s.p.failed(): // the next turn books it
		case !s.has(fmt.Sprint("pong ", i)):
			s.p.find("sse-silent", fmt.Sprintf("%s after the request the stream fell silent: "+
				"a ping was taken, its pong did not come within %s", took(time.Since(s.born)), took(speakWait)))
			return false
		default:
			s.p.result.Watched = ms(time.Since(s.born))
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
		s.p.bye(ctx)
	}
	s.reply.close()
	for range s.came { // until the reader has ended
	}
}

// times puts what came and when in a line.
func (s *events) times(what ...string) string {
	parts := make([]string, len(what))
	for i, w := range what {
		parts[i] = s.since(w)
	}
	return strings.Join(parts, ", ")
}
