package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/transport"
)

// socket is a WebSocket, read by its own goroutine.
type socket struct {
	p       *probe
	ws      *websocket.Conn
	came    chan []byte // text frames; closed at the end
	err     error       // why it ended; it belongs to the reader until came is closed
	dead    bool        // came is closed
	started time.Time
	stop    func() bool
	closed  bool // the final batch has come
	cut     bool // it broke
	pings   int
}

// webSocket tries a WebSocket: handshake, first frames, pings for some time, large frames.
func (d *diagnosis) webSocket(ctx context.Context, p *probe) {
	s := p.socket(ctx)
	if s == nil {
		return
	}
	ok := s.start(ctx)
	if ok {
		ok = s.watch(ctx, min(remaining(ctx, watchTime), watchTime), pingEvery)
	}
	s.end(ctx, ok)
	switch {
	case !ok && p.result.Opened >= 0 && s.cut:
		d.again(ctx, p)
	case ok && !p.failed():
		d.frames(ctx, p)
		if d.o.Long {
			d.longSocket(ctx, p)
		}
	}
}

// socket dials. It returns nil after it has recorded why that failed.
func (p *probe) socket(ctx context.Context) *socket {
	wait := remaining(ctx, openWait)
	dialCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	dial := p.d.o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	stop := func() bool { return true }
	g := websocket.Dialer{
		NetDialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(dialCtx, network, addr)
			if err == nil {
				stop = context.AfterFunc(dialCtx, func() { _ = c.Close() })
			}
			return c, err
		},
		Proxy: p.d.o.Proxy, TLSClientConfig: p.d.o.TLSClientConfig,
		WriteBufferSize: 128 << 10, // so that a batch is one frame, as in a browser, not fragments
	}
	began := time.Now()
	ws, resp, err := g.DialContext(dialCtx, "ws"+strings.TrimPrefix(p.d.url, "http"), p.d.o.Header)
	if err == nil && !stop() {
		_ = ws.Close()
		err = dialCtx.Err()
	}
	switch {
	case err == nil:
	case spent(ctx):
		return nil
	case dialCtx.Err() != nil || time.Since(began) >= wait:
		p.find("ws-blackholed", "no answer to the handshake within "+took(wait))
		return nil
	case errors.Is(err, websocket.ErrBadHandshake) && resp != nil:
		body := make([]byte, 1024)
		n, _ := resp.Body.Read(body) // gorilla has already read it
		p.find("ws-refused", "the handshake was answered: "+describe(resp, body[:n]))
		return nil
	default:
		p.notDialled(p.d.noAnswer(ctx, err, time.Since(began)))
		return nil
	}
	p.d.checkUpgrade(resp, began)
	s := &socket{p: p, ws: ws, came: make(chan []byte, 16), started: time.Now()}
	s.stop = context.AfterFunc(ctx, func() { _ = ws.NetConn().Close() })
	ws.SetReadLimit(1 << 20)
	go s.read()
	return s
}

// notDialled records a connection that broke: for a WebSocket that is a refusal, unless nothing can
// be reached at all.
func (p *probe) notDialled(t *problem) {
	if t.id == "post-cut" {
		t = &problem{"ws-refused", "the connection broke during the handshake: " + t.evidence}
	}
	p.problem(t)
}

// checkUpgrade records what the header of a 101 shows.
func (d *diagnosis) checkUpgrade(r *http.Response, _ time.Time) {
	for _, name := range relays {
		if v := r.Header.Get(name); v != "" {
			d.find("intermediary", name+": "+clean(v, 80)+" (on a WebSocket's handshake)")
		}
	}
}

func (s *socket) read() {
	defer close(s.came)
	for {
		_, b, err := s.ws.ReadMessage()
		if err != nil {
			s.err = err
			return
		}
		select {
		case s.came <- b:
		case <-time.After(openWait): // nobody waits for it now
			s.err = net.ErrClosed
			return
		}
	}
}

func (s *socket) write(lines ...string) error { return s.send(s.p.batch(lines...)) }

func (s *socket) send(batch []byte) error {
	_ = s.ws.SetWriteDeadline(time.Now().Add(replyWait))
	return s.ws.WriteMessage(websocket.TextMessage, batch)
}

// until reads frames until done returns true for one. It returns false if the wait or the socket
// has ended (s.err has the reason).
func (s *socket) until(ctx context.Context, wait time.Duration, done func(*packet) bool) bool {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		select {
		case b, ok := <-s.came:
			if !ok {
				s.dead = true
				return false
			}
			lines, err := transport.DecodeText(b)
			var k *packet
			if err == nil {
				k, err = parse(lines)
			}
			if err != nil {
				s.p.find("ws-altered", "a frame cannot be read: "+quote(b))
				return false
			}
			if !s.p.take(k) {
				return false
			}
			k.each("!ping", func(i int) { _ = s.write(pong(i)) })
			if s.closed = s.closed || k.get("!closed", nil); done(k) {
				return true
			}
		case <-late.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// start opens the session on the socket and waits for the answer to a ping.
func (s *socket) start(ctx context.Context) bool {
	if err := s.write(s.p.open(s.p.att, true)); err != nil {
		return s.reportCut("while the first message was written")
	}
	isOpened := func(k *packet) bool { return k.get("!opened", nil) }
	if s.until(ctx, remaining(ctx, replyWait), isOpened) {
		return s.ping(ctx)
	}
	if spent(ctx) || s.p.failed() {
		return false
	}
	if s.dead {
		return s.reportCut("before the server's first word")
	}
	// HF1-WSK-04: the loss of one frame must not count as more than that. A second frame shows
	// which of the two was lost.
	_ = s.write(ping(1))
	s.p.unread = "ws-first-frame" // the server read the second frame as the first
	late := false
	got := s.until(ctx, remaining(ctx, replyWait), func(k *packet) bool {
		late = late || isOpened(k)
		return ponged(k, 1)
	})
	switch {
	case late && !got && s.oneBehind(ctx):
		s.p.find("ws-one-behind",
			"the answer to the first frame came when a second was sent, the answer to that when a third was")
	case late:
		s.p.find("ws-silent", "the answer to the first frame came later than "+took(replyWait))
	case got:
		s.p.find("ws-first-frame", "the answer to the second frame came, the answer to the first did not")
	case spent(ctx) || s.p.failed():
	case s.dead:
		return s.reportCut("before the server's first word")
	default:
		s.p.find("ws-swallowed",
			fmt.Sprintf("status 101, then no frame within %s, though two were sent", took(time.Since(s.started))))
	}
	return false
}

// oneBehind reports whether the answer to the second frame comes after a third frame, while the
// answer to the third does not come.
func (s *socket) oneBehind(ctx context.Context) bool {
	_ = s.write(ping(2))
	second, third := false, false
	s.until(ctx, remaining(ctx, s.p.responseTimeout()), func(k *packet) bool {
		second, third = second || ponged(k, 1), third || ponged(k, 2)
		return third
	})
	return second && !third
}

// ping sends a ping and waits for the pong.
func (s *socket) ping(ctx context.Context) bool {
	s.pings++
	i, sent := s.pings, time.Now()
	_ = s.write(ping(i))
	if s.until(ctx, replyWait+s.p.responseTimeout(), func(k *packet) bool { return ponged(k, i) }) {
		if s.p.result.RTT < 0 {
			s.p.result.RTT = ms(time.Since(sent))
		}
		return true
	}
	switch {
	case spent(ctx) || s.p.failed() || s.closed:
	case s.dead:
		s.reportCut("")
	case s.pings == 1:
		s.p.find("ws-swallowed", "the answer to the first frame came, and none to a ping within "+
			took(time.Since(sent)))
	default:
		s.p.find("ws-silent", fmt.Sprintf("no answer to a ping within %s, at an age of %s; no end was seen either",
			took(time.Since(sent)), took(time.Since(s.started))))
	}
	return false
}

// reportCut records the end of a socket that should have stayed open.
func (s *socket) reportCut(when string) bool {
	if s.p.failed() && when != "" {
		return false
	}
	s.cut = true
	if when != "" {
		when = ", " + when
	}
	s.p.find("ws-killed", fmt.Sprintf("cut %s after the handshake%s: %s", took(time.Since(s.started)), when, s.why()))
	return false
}

// why returns how it ended.
func (s *socket) why() string {
	var end *websocket.CloseError
	switch {
	case s.dead && errors.As(s.err, &end) && end.Code != websocket.CloseAbnormalClosure:
		return fmt.Sprintf("close frame %d “%s”", end.Code, clean(end.Text, 60))
	case s.dead:
		return "no close frame, " + clean(s.err.Error(), 100)
	}
	return "it could not be written"
}

// watch pings the socket for some time. It returns false if the socket failed.
func (s *socket) watch(ctx context.Context, total, every time.Duration) bool {
	for end := time.Now().Add(total); time.Until(end) > 0; {
		if s.until(ctx, min(every, time.Until(end)), func(*packet) bool { return false }) || spent(ctx) {
			return false
		}
		if s.dead {
			return s.reportCut("")
		}
		if s.p.failed() || !s.ping(ctx) {
			return false
		}
		s.p.result.Watched = ms(time.Since(s.started))
	}
	return true
}

// end closes the session, if it is still open, and the socket.
func (s *socket) end(ctx context.Context, alive bool) {
	defer s.stop()
	if alive && ctx.Err() == nil {
		if s.send(s.p.batch(closeLine)) == nil {
			s.until(ctx, closeWait, func(*packet) bool { return s.closed })
		}
		_ = s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
			time.Now().Add(closeWait/4))
	}
	_ = s.ws.Close()
	for range s.came { // until the reader ends
	}
	if !alive && s.p.opened.Run != "" {
		s.p.closeSession(ctx)
	}
}

// again opens a second socket after the first was cut, because one cut may be chance. It keeps the
// evidence of both.
func (d *diagnosis) again(ctx context.Context, p *probe) {
	if remaining(ctx, time.Minute) < 2*time.Second {
		return
	}
	q := d.newProbe(p.result.Name)
	s := q.socket(ctx)
	if s == nil {
		return
	}
	ok := s.start(ctx) && s.watch(ctx, remaining(ctx, watchTime/2), pingEvery)
	if ok {
		p.find("ws-killed", "a second one lived for "+took(time.Since(s.started)))
	}
	s.end(ctx, ok)
}
