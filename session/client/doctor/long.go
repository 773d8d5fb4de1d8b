package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// lifetime is how a connection ended.
type lifetime struct {
	age, quiet time.Duration // at the end; quiet is the time since the last byte in any direction
	cut        bool
	why        string
}

// compare compares a busy and a quiet connection of one transport, watched for the same time.
func (p *probe) compare(busy, quiet lifetime) {
	switch {
	case busy.cut && quiet.cut && (busy.age-quiet.age).Abs() < 2*time.Second && quiet.quiet < quiet.age-2*time.Second,
		busy.cut && !quiet.cut:
		p.find("age-limit", fmt.Sprintf("a busy connection was cut at an age of %s: %s", took(busy.age), busy.why))
	case busy.cut && quiet.cut && (busy.age-quiet.age).Abs() < 2*time.Second:
		p.find("age-limit",
			fmt.Sprintf("a busy and a quiet connection were both cut at an age of %s: %s", took(busy.age), busy.why))
	case busy.cut:
		p.find("age-limit", fmt.Sprintf("a busy connection was cut at an age of %s: %s", took(busy.age), busy.why))
		fallthrough
	case quiet.cut:
		p.find("idle-cut", fmt.Sprintf("a connection was cut after %s of silence, at an age of %s: %s",
			took(quiet.quiet), took(quiet.age), quiet.why))
	}
	p.d.fact(p.result.Name+": longest life seen", took(max(busy.age, quiet.age)))
}

// longSocket watches a busy and a quiet WebSocket.
func (d *diagnosis) longSocket(ctx context.Context, p *probe) {
	var busy, quiet lifetime
	var wg sync.WaitGroup
	wg.Go(func() { busy = d.socketLifetime(ctx, p.result.Name, true) })
	wg.Go(func() { quiet = d.socketLifetime(ctx, p.result.Name, false) })
	wg.Wait()
	p.compare(busy, quiet)
	d.untestedSilence(p)
}

// untestedSilence records which silence could not be tested.
func (d *diagnosis) untestedSilence(p *probe) {
	d.untested(fmt.Sprintf("silences longer than the server's ping (%s) and ages above %s",
		time.Duration(p.opened.Ping)*time.Millisecond, longWatch))
}

func (d *diagnosis) socketLifetime(ctx context.Context, name string, busy bool) (l lifetime) {
	q := d.newProbe(name)
	s := q.socket(ctx)
	if s == nil {
		return l
	}
	ok := s.start(ctx)
	lastSent := time.Now()
	for end := time.Now().Add(remaining(ctx, longWatch)); ok && time.Until(end) > 0; {
		wait := time.Until(end)
		if busy {
			wait = min(wait, pingEvery)
		}
		if s.until(ctx, wait, func(*packet) bool { lastSent = time.Now(); return false }); spent(ctx) {
			break
		}
		if ok = !s.dead; ok && busy {
			s.pings++
			_ = s.write(ping(s.pings))
			lastSent = time.Now()
		}
	}
	l = lifetime{age: time.Since(s.started), quiet: time.Since(lastSent), cut: s.dead && !spent(ctx) && !s.closed}
	if l.cut {
		l.why = s.why()
	}
	s.end(ctx, !l.cut)
	return l
}

// longStream watches a busy and a quiet stream.
func (d *diagnosis) longStream(ctx context.Context, p *probe) {
	lifetimes := make(chan lifetime, 1)
	go func() { lifetimes <- d.streamLifetime(ctx, p.result.Name, true) }()
	quiet := d.streamLifetime(ctx, p.result.Name, false)
	p.compare(<-lifetimes, quiet)
	d.untestedSilence(p)
}

func (d *diagnosis) streamLifetime(ctx context.Context, name string, busy bool) (l lifetime) {
	q := d.newProbe(name)
	r, t := q.send(ctx, transport.KindStream, remaining(ctx, openWait), q.batch(q.open(q.att, true)))
	if t != nil {
		return l
	}
	s := q.events(r)
	defer s.end(ctx)
	if !s.await(ctx, remaining(ctx, replyWait), "opened") {
		return l
	}
	i := 0
	for end := time.Now().Add(remaining(ctx, longWatch)); time.Until(end) > 0 && !spent(ctx) && !s.dead; {
		wait := time.Until(end)
		if busy {
			wait = min(wait, pingEvery)
		}
		s.until(ctx, wait, func() bool { return len(s.answer) > 0 })
		if spent(ctx) || s.dead || q.failed() {
			break
		}
		if busy || len(s.answer) > 0 { // a quiet one must answer pings, or the server ends it (HF1-LIV-03)
			if i++; !s.ping(ctx, i) {
				break
			}
			s.lastReceived = time.Now()
		}
	}
	l = lifetime{age: time.Since(s.started), quiet: time.Since(s.lastReceived), cut: s.dead && !spent(ctx) && !s.closed}
	if l.cut {
		l.why = s.why()
	}
	return l
}
