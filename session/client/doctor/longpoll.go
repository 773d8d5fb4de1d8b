package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// longPoll tries a long-poll attachment: open, a ping by `up`, a poll held by the server, large
// bodies.
func (d *diagnosis) longPoll(ctx context.Context, p *probe) {
	k, t := p.post(ctx, transport.KindOpen, rest(ctx, openWait), p.batch(p.open(p.att, true)))
	if t == nil && !k.get("!opened", nil) {
		t = &trouble{"reply-altered", "the answer to an open has no opened"}
	}
	if t != nil {
		p.trouble(t)
		return
	}
	defer p.bye(ctx)
	sent := time.Now()
	k, t = p.post(ctx, transport.KindUp, rest(ctx, openWait), p.batch(p.up(), ping(1)))
	if t == nil && !ponged(k, 1) {
		t = &trouble{"reply-altered", "the answer to a ping has no pong"}
	}
	if t != nil {
		p.trouble(t)
		return
	}
	p.result.RTT = ms(time.Since(sent))
	if t = p.mixed(ctx); t != nil {
		p.trouble(t)
		return
	}
	d.sizes(ctx, p)
	hold := holdFor
	if d.o.Long {
		hold = time.Duration(p.opened.Hold) * time.Millisecond
	}
	p.hold(ctx, min(hold, rest(ctx, time.Minute)-p.patience()))
	p.result.Watched = ms(time.Since(p.began))
}

// mixed looks whether a cache or a coalescing proxy mixes answers up: two polls at a time, which
// the server holds for 50 ms since they carry a ping (HF1-POL-03), and one after them. Whatever
// else goes wrong with them the other tests tell.
func (p *probe) mixed(ctx context.Context) *trouble {
	var twins [2]*trouble
	var wg sync.WaitGroup
	for i := range twins {
		batch := p.batch(p.poll(time.Second), ping(900+i))
		wg.Go(func() { _, twins[i] = p.exchange(ctx, transport.KindPoll, rest(ctx, speakWait), batch) })
	}
	wg.Wait()
	_, poll := p.post(ctx, transport.KindPoll, rest(ctx, speakWait), p.batch(p.poll(time.Second), ping(902)))
	for _, t := range append(twins[:], poll) {
		if t != nil && t.id == "reply-reused" {
			return t
		}
	}
	if poll != nil && poll.id == "post-blackholed" { // to wait for a longer one would be of no use
		return &trouble{"poll-cut", "a poll that the server was to answer at once: " + poll.evidence}
	}
	return nil
}

// trouble books what went wrong with a request of this transport.
func (p *probe) trouble(t *trouble) {
	if t.id != "" {
		p.find(t.id, t.evidence)
	}
}

func ponged(k *packet, i int) bool {
	found := false
	k.each("!pong", func(n int) { found = found || n == i })
	return found
}

// hold lets a poll hang. One that brings messages of the application's is followed by another: only
// a silent one is a test.
func (p *probe) hold(ctx context.Context, hold time.Duration) {
	if hold < time.Second {
		return
	}
	for end := time.Now().Add(hold); ; {
		left := time.Until(end)
		if left < time.Second {
			p.d.untested("longpoll: how long a request may wait, as the application kept sending")
			return
		}
		sent, before := time.Now(), p.recv
		_, t := p.post(ctx, transport.KindPoll, left+p.patience()+speakWait, p.batch(p.poll(left)))
		age := time.Since(sent)
		switch {
		case t != nil && t.id == "":
			return
		case t != nil && t.id == "reply-reused":
			p.trouble(t)
			return
		case t != nil && t.id == "post-blackholed":
			p.find("poll-cut", fmt.Sprintf("a poll that the server was to answer after %s had no answer after %s",
				took(left), took(age)))
			return
		case t != nil:
			p.find("poll-cut", fmt.Sprintf("a poll that the server was to answer after %s ended after %s: %s",
				took(left), took(age), t.evidence))
			return
		case age > left+p.patience():
			p.find("poll-late", fmt.Sprintf("a poll that the server was to answer after %s was answered after %s",
				took(left), took(age)))
			return
		case p.recv == before:
			p.d.fact("longest quiet request", took(age))
			return
		}
	}
}

// bye closes the session. What is not heard of it any more, the server forgets by itself.
func (p *probe) bye(ctx context.Context) {
	if p.opened.Run == "" {
		return
	}
	ctx, cancel := farewell(ctx)
	defer cancel()
	r, t := p.send(ctx, transport.KindUp, closeWait, p.batch(p.up(), closeLine))
	if t == nil {
		r.close()
	}
}
