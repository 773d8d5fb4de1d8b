package middlebox

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// chunk is what arrived at once: some bytes of a body, or one WebSocket frame.
type chunk struct {
	data []byte
	at   time.Time
	err  error // io.EOF at a regular end
}

// bytesOf reads r as its bytes come. The channel is buffered so that `delay` can keep bytes in
// flight; when it is full, the sender has to wait.
func (x *exchange) bytesOf(r io.Reader) <-chan chunk {
	return x.chunks(func() ([]byte, error) {
		p := make([]byte, 32<<10)
		n, err := r.Read(p)
		return p[:n], err
	})
}

func (x *exchange) chunks(read func() ([]byte, error)) <-chan chunk {
	out := make(chan chunk, 64)
	go func() {
		defer close(out)
		for {
			data, err := read()
			select {
			case out <- chunk{data, time.Now(), err}:
			case <-x.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

var errCut = errors.New("middlebox: cut")

// pump passes the body of an answer to the client, through the modes. If headOnly, there is no
// body.
func (x *exchange) pump(src <-chan chunk, body io.WriteCloser, head func() error, headOnly bool) error {
	g := x.guards()
	defer g.stop()
	var out sink = &last{w: body}
	if _, ok := x.mode("one-behind"); ok {
		out = &oneBehind{next: out}
	}
	buffer, buffered := x.mode("buffer")
	if buffered {
		out = &threshold{next: out, limit: buffer.Bytes, opened: head}
		head = func() error { return nil } // F08: the head is held too
	}
	if m, ok := x.mode("truncate"); ok {
		out = &truncate{next: out, n: int(m.Bytes)}
	}
	if err := head(); err != nil {
		return err
	}
	if headOnly {
		return nil
	}
	return g.relay(src, out, "down")
}

// guards are the modes that stop or cut what is relayed. They apply to both directions together.
type guards struct {
	x      *exchange
	start  time.Time
	timers []*time.Timer
	idle   *time.Timer
	quiet  time.Duration
	passed atomic.Int64 // bytes down
}

func (x *exchange) guards() *guards {
	g := &guards{x: x, start: time.Now()}
	for _, m := range x.modes {
		if (m.Name == "kill" || m.Name == "end" || m.Name == "life") && m.After > 0 {
			g.timers = append(g.timers, time.AfterFunc(m.After, func() { g.cut(m) }))
		}
	}
	if m, ok := x.mode("idle"); ok {
		g.quiet = m.After
		g.idle = time.AfterFunc(m.After, func() { g.cut(m) })
		g.timers = append(g.timers, g.idle)
	}
	return g
}

func (g *guards) stop() {
	for _, t := range g.timers {
		t.Stop()
	}
}

func (g *guards) cut(m Mode) {
	g.x.box.logf("%s after %s", m.Name, time.Since(g.start).Round(time.Millisecond))
	g.x.box.cut(m.Name)
	g.x.closeCleanly(m.Name == "end")
	g.x.cancel()
}

// relay passes chunks in one direction until they end or are cut.
func (g *guards) relay(src <-chan chunk, out sink, direction string) error {
	for c := range src {
		if g.idle != nil && len(c.data) > 0 {
			g.idle.Reset(g.quiet)
		}
		if m, ok := g.x.mode("delay"); ok && !g.x.sleep(time.Until(c.at.Add(m.After))) {
			return errCut
		}
		if m, ok := g.stopped("freeze", direction); ok {
			g.x.box.logf("frozen after %s", m.After)
			<-g.x.ctx.Done()
			return errCut
		}
		_, mute := g.x.mode("mute")
		if _, ok := g.stopped("half-open", direction); ok || (mute && g.x.kind == WS) {
			continue
		}
		if err := g.write(c.data, out, direction); err != nil {
			return err
		}
		if errors.Is(c.err, io.EOF) {
			return out.end()
		}
		if c.err != nil {
			return c.err
		}
	}
	return errCut
}

// stopped reports whether a mode that stops a direction after a time acts by now.
func (g *guards) stopped(name, direction string) (Mode, bool) {
	m, ok := g.x.mode(name)
	return m, ok && (m.Text == direction || m.Text == "both") && time.Since(g.start) >= m.After
}

// write passes the bytes on, or as many of them as the modes kill and end allow.
func (g *guards) write(p []byte, out sink, direction string) error {
	if direction == "up" {
		return out.write(p)
	}
	for _, m := range g.x.modes {
		if (m.Name != "kill" && m.Name != "end") || m.After > 0 {
			continue
		}
		if left := m.Bytes - g.passed.Load(); int64(len(p)) > left {
			_ = out.write(p[:left])
			g.cut(m)
			return errCut
		}
	}
	g.passed.Add(int64(len(p)))
	return out.write(p)
}
