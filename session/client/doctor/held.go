package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// findHold finds out how a stream is held back that does not pass events at once: late, one event
// behind, until a buffer is full, or until its end.
func (s *events) findHold(ctx context.Context) {
	all := func() bool { return s.has("beacon 2") && (!s.pinged || s.has("pong 1")) }
	if s.until(ctx, remaining(ctx, replyWait), all) {
		s.late()
		return
	}
	if s.dead || spent(ctx) || s.p.failed() {
		if s.dead && !s.p.failed() && !spent(ctx) {
			s.p.find("sse-cut",
				fmt.Sprintf("the stream ended %s after the request: %s", took(time.Since(s.started)), s.why()))
		}
		return
	}
	if !s.p.identify(ctx) {
		if spent(ctx) {
			return
		}
		s.p.find("sse-held", s.times("header", "opened", "beacon 2")+"; and no request beside it has an answer")
		return
	}
	if !s.oneBehind(ctx) && !s.threshold(ctx) {
		s.whole(ctx)
	}
}

// late records a stream whose beacons came without another event, but late.
func (s *events) late() {
	s.p.find("sse-delayed", s.times("header", "opened", "beacon 1", "beacon 2")+
		"; the server sends them at once and 300 ms later")
}

// identify makes sure that requests can name the session: if opened was not read, an open by long
// poll returns it (HF1-WHO-04).
func (p *probe) identify(ctx context.Context) bool {
	if p.opened.Run != "" {
		return true
	}
	_, t := p.post(ctx, transport.KindOpen, remaining(ctx, replyWait), p.batch(p.open(2, false)))
	return t == nil && p.opened.Run != ""
}

// oneBehind makes the server send three pongs, and checks whether each comes with the next.
func (s *events) oneBehind(ctx context.Context) bool {
	const from = 100
	behind := 0
	for i := from; i < from+3; i++ {
		pong, before := fmt.Sprint("pong ", i), fmt.Sprint("pong ", i-1)
		if i == from {
			before = "beacon 2"
		}
		if !s.ping(ctx, i) {
			return false
		}
		s.until(ctx, remaining(ctx, s.p.responseTimeout()/2), func() bool { return s.has(before) || s.has(pong) })
		// so that pongs that come together are seen together
		s.until(ctx, 200*time.Millisecond, func() bool { return s.has(pong) })
		switch {
		case s.has(pong) && s.has(before) && i == from:
			return false // perhaps it filled a buffer; threshold finds out
		case s.has(before) && !s.has(pong):
			behind++
		default:
			return false
		}
	}
	s.p.find("sse-one-behind", fmt.Sprintf("of %d words in a row each came when the next was sent, not before; %s",
		behind, s.times("opened", "beacon 2")))
	return true
}

// threshold makes the server send more until the held bytes come.
func (s *events) threshold(ctx context.Context) bool {
	before := s.bytes
	if s.has("pong 100") { // one pong was enough
		s.p.find("sse-threshold", fmt.Sprintf("%s; the rest came when the server had sent some 100 bytes more",
			s.times("header", "opened", "beacon 2")))
		return true
	}
	sent, came := s.p.flood(ctx,
		func() bool { s.until(ctx, flushWait, func() bool { return s.bytes > before }); return s.bytes > before })
	if !came {
		return s.p.failed()
	}
	s.p.find("sse-threshold", fmt.Sprintf("%s; more came when the server had sent about %d KiB more",
		s.times("header", "opened", "beacon 2"), sent>>10+1))
	return true
}

// flushWait is the time that a proxy gets to pass on a full buffer.
const flushWait = 20 * time.Millisecond

// flood makes the server send more on the stream, about 1 KiB each time, until something comes;
// sent is the number of bytes.
func (p *probe) flood(ctx context.Context, came func() bool) (sent int, ok bool) {
	const each = 40
	// the test that ends the stream needs the rest of the time
	for i := 200; i < 250 && remaining(ctx, time.Hour) > 5*time.Second; i++ {
		var pings strings.Builder
		for n := range each {
			pings.WriteString(ping(i*1_000_000 + n))
		}
		if _, t := p.post(ctx, transport.KindUp, remaining(ctx, replyWait), p.batch(p.up(), pings.String())); t != nil {
			return sent, false
		}
		sent += each * len("data:!pong {\"i\":200000000}\n")
		if came() {
			return sent, true
		}
	}
	return sent, false
}

// whole makes the server end the stream, and checks whether the held bytes come with the end.
func (s *events) whole(ctx context.Context) {
	before, asked := s.times("header", "opened", "beacon 2"), time.Now()
	_, t := s.p.post(ctx, transport.KindUp, remaining(ctx, replyWait), s.p.batch(s.p.up(), "!detach {\"code\":4004}\n"))
	if t != nil {
		s.p.find("sse-held", before)
		return
	}
	s.until(ctx, remaining(ctx, replyWait), func() bool { return false })
	if s.has("beacon 2") {
		s.p.find("sse-held", fmt.Sprintf("%s before; all of it %s after the server was asked to end the stream",
			s.early(asked), took(s.seen["beacon 2"].Sub(asked))))
		return
	}
	s.p.find("sse-held", before+"; nor when the server had ended the stream")
}

// early lists what had come by then.
func (s *events) early(by time.Time) string {
	var had []string
	for _, what := range []string{"header", "opened", "beacon 1"} {
		if at, ok := s.seen[what]; ok && at.Before(by) {
			had = append(had, what)
		}
	}
	if had == nil {
		return "nothing"
	}
	return "only " + strings.Join(had, ", ")
}

// heldWhole is for a stream without even a header: it asks the server to end the stream, because a
// proxy may wait for the end.
func (d *diagnosis) heldWhole(ctx context.Context, p *probe, answer <-chan *reply) {
	if spent(ctx) {
		return
	}
	if !p.identify(ctx) && !spent(ctx) {
		p.find("post-blackholed",
			fmt.Sprintf("no answer to the request for a stream within %s, nor to one beside it", took(headerWait)))
	}
	if p.opened.Run == "" {
		return
	}
	defer p.closeSession(ctx)
	what := fmt.Sprintf("no byte of the answer within %s, while a request beside it was answered", took(headerWait))
	var r *reply
	came := func() bool {
		select {
		case r = <-answer:
		case <-time.After(flushWait):
		}
		return r != nil
	}
	if sent, ok := p.flood(ctx, came); ok {
		p.find("sse-threshold", fmt.Sprintf("%s; it came when the server had sent about %d KiB more", what, sent>>10+1))
		r.close()
		return
	}
	asked := time.Now()
	_, t := p.post(ctx, transport.KindUp, remaining(ctx, replyWait), p.batch(p.up(), "!detach {\"code\":4004}\n"))
	if t == nil {
		select {
		case r = <-answer:
			if r != nil {
				what += fmt.Sprintf("; all of it %s after the server was asked to end the stream",
					took(time.Since(asked)))
				r.close()
			}
		case <-time.After(remaining(ctx, replyWait)):
		}
	}
	p.find("sse-held", what)
}
