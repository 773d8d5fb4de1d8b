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
	k, t := p.post(ctx, transport.KindOpen, remaining(ctx, openWait), p.batch(p.open(p.att, true)))
	if t == nil && !k.get("!opened", nil) {
		t = &problem{"reply-altered", "the answer to an open has no opened"}
	}
	if t != nil {
		p.problem(t)
		return
	}
	defer p.closeSession(ctx)
	sent := time.Now()
	k, t = p.post(ctx, transport.KindUp, remaining(ctx, openWait), p.batch(p.up(), ping(1)))
	if t == nil && !ponged(k, 1) {
		t = &problem{"reply-altered", "the answer to a ping has no pong"}
	}
	if t != nil {
		p.problem(t)
		return
	}
	p.result.RTT = ms(time.Since(sent))
	if t = p.mixedUp(ctx); t != nil {
		p.problem(t)
		return
	}
	d.sizes(ctx, p)
	hold := holdTime
	if d.o.Long {
		hold = time.Duration(p.opened.Hold) * time.Millisecond
	}
	p.hold(ctx, min(hold, remaining(ctx, time.Minute)-p.responseTimeout()))
	p.result.Watched = ms(time.Since(p.began))
}

// mixedUp checks whether a cache or a proxy returns the answer to another request. It sends two
// polls at the same time, which the server holds for 50 ms because they have a ping (HF1-POL-03),
// and then one more. Other faults of these polls are left to the other tests.
func (p *probe) mixedUp(ctx context.Context) *problem {
	var twins [2]*problem
	var wg sync.WaitGroup
	for i := range twins {
		batch := p.batch(p.poll(time.Second), ping(900+i))
		wg.Go(func() { _, twins[i] = p.exchange(ctx, transport.KindPoll, remaining(ctx, replyWait), batch) })
	}
	wg.Wait()
	_, poll := p.post(ctx, transport.KindPoll, remaining(ctx, replyWait), p.batch(p.poll(time.Second), ping(902)))
	for _, t := range append(twins[:], poll) {
		if t != nil && t.id == "reply-reused" {
			return t
		}
	}
	if poll != nil && poll.id == "post-blackholed" { // it is useless to try a longer one
		return &problem{"poll-cut", "a poll that the server was to answer at once: " + poll.evidence}
	}
	return nil
}

// problem records what went wrong with a request of this transport.
func (p *probe) problem(t *problem) {
	if t.id != "" {
		p.find(t.id, t.evidence)
	}
}

func ponged(k *packet, i int) bool {
	found := false
	k.each("!pong", func(n int) { found = found || n == i })
	return found
}

// hold sends a poll for the server to hold. If it returns messages of the application, another poll
// follows, because only a silent poll is a test.
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
		_, t := p.post(ctx, transport.KindPoll, left+p.responseTimeout()+replyWait, p.batch(p.poll(left)))
		age := time.Since(sent)
		switch {
		case t != nil && t.id == "":
			return
		case t != nil && t.id == "reply-reused":
			p.problem(t)
			return
		case t != nil && t.id == "post-blackholed":
			p.find("poll-cut", fmt.Sprintf("a poll that the server was to answer after %s had no answer after %s",
				took(left), took(age)))
			return
		case t != nil:
			p.find("poll-cut", fmt.Sprintf("a poll that the server was to answer after %s ended after %s: %s",
				took(left), took(age), t.evidence))
			return
		case age > left+p.responseTimeout():
			p.find("poll-late", fmt.Sprintf("a poll that the server was to answer after %s was answered after %s",
				took(left), took(age)))
			return
		case p.recv == before:
			p.d.fact("longest quiet request", took(age))
			return
		}
	}
}

// closeSession closes the session. If that fails, the session expires on the server.
func (p *probe) closeSession(ctx context.Context) {
	if p.opened.Run == "" {
		return
	}
	ctx, cancel := closeContext(ctx)
	defer cancel()
	r, t := p.send(ctx, transport.KindUp, closeWait, p.batch(p.up(), closeLine))
	if t == nil {
		r.close()
	}
}
