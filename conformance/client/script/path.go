package script

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/trace"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Transport names, as an adapter is told them.
const (
	WebSocket = "websocket"
	SSE       = "sse"
	LongPoll  = "longpoll"
)

// Path is an attachment: a WebSocket, an event stream, or a series of polls.
type Path struct {
	Att       uint64
	Transport string
	Began     time.Time
	Alive     bool
	Detached  bool // the client has ended it
	Frames    []*wire.Batch
	Ack       uint64 // of the open
	Position  uint64 // the client stated in its open
	U         uint64 // of the open, 0 without
	Asked     int    // polls
	Upped     int    // ups
	Pongs     int
	Rewinds   int
	Uses      int
	Challenge string
	Lim       uint64             // the client's maxBatch
	Binary    func(frame []byte) // writes a binary frame on a WebSocket

	s      *Server
	next   uint64 // the next down line to send here
	p      uint64
	wrote  time.Time
	pings  int
	pinged int                      // by the client
	poll   *Request                 // that hangs
	write  func(frame string) error // of a WebSocket or stream
	raw    func(s string)           // of a stream
	close  func(code int)           // of a WebSocket or stream: 0 without ceremony
}

// Find returns the newest path of a transport, "" for any. The server is locked.
func (s *State) Find(transport string) *Path {
	for i := len(s.Paths) - 1; i >= 0; i-- {
		if p := s.Paths[i]; transport == "" || p.Transport == transport {
			return p
		}
	}
	return nil
}

// Live returns the newest living path of a transport. The server is locked.
func (s *State) Live(transport string) *Path {
	for i := len(s.Paths) - 1; i >= 0; i-- {
		if p := s.Paths[i]; p.Alive && (transport == "" || p.Transport == transport) {
			return p
		}
	}
	return nil
}

func (s *State) path(att uint64) *Path {
	for i := len(s.Paths) - 1; i >= 0; i-- {
		if s.Paths[i].Att == att {
			return s.Paths[i]
		}
	}
	return nil
}

// Kill ends the path's carrier without a word. The server is locked.
func (p *Path) Kill() { p.end(nil) }

// CloseWith ends a WebSocket by a close frame. The server is locked.
func (p *Path) CloseWith(code int) {
	p.dies()
	if p.close != nil {
		p.close(code)
	}
	p.s.change()
}

func (p *Path) end(r *Reply) {
	p.dies()
	if p.close != nil {
		p.close(0)
	}
	if p.poll != nil {
		if r == nil {
			r = &Reply{Abort: true}
		}
		p.poll.answer(r)
		p.poll = nil
	}
	p.s.change()
}

// Raw sends a frame or an event as it is; the batch's lines end with LF. The server is locked.
func (p *Path) Raw(batch string) {
	p.s.Forged = true
	p.put(batch)
}

func (p *Path) put(batch string) {
	p.s.t.Logf("-> %s/%d %q", p.Transport, p.Att, shorten(batch))
	p.wrote = time.Now()
	if p.write != nil {
		if err := p.write(batch); err != nil {
			p.s.t.Logf("   not written: %v", err)
		}
	}
}

// Bytes writes to an event stream as it is. The server is locked.
func (p *Path) Bytes(s string) {
	p.s.Forged = true
	if p.raw != nil {
		p.s.t.Logf("-> %s/%d bytes %q", p.Transport, p.Att, shorten(s))
		p.raw(s)
	}
}

func (p *Path) send(batch string) {
	out := []string{batch}
	if p.s.Send != nil {
		out = p.s.Send(p, batch)
		p.s.Forged = p.s.Forged || !slices.Equal(out, []string{batch})
	}
	for _, b := range out {
		p.put(b)
	}
}

// Control sends controls on a WebSocket or stream, under an honest head. The server is locked.
func (p *Path) Control(controls ...string) {
	p.send(p.s.head(p.next) + strings.Join(controls, "\n") + "\n")
}

// alive pings a path that was silent, as a server must (HF1-LIV-01).
func (p *Path) alive() {
	if !p.Alive || p.s.Silent {
		return
	}
	if most := time.Duration(p.s.Ping) * time.Millisecond; time.Since(p.wrote) >= min(most, 5*time.Second) {
		p.pings++
		p.Control(fmt.Sprintf(`!ping {"i":%d}`, p.pings))
	}
	p.s.later(200*time.Millisecond, p.alive)
}

// head is an honest head; it states the ack.
func (s *Server) head(first uint64) string {
	ack := s.Taken
	if s.Holds != nil && s.Holds() {
		ack = s.told
	}
	if ack > s.told {
		s.told = ack
		s.acked("client", messagesTo(s.upEnds, ack))
	}
	return wire.Head(first, s.told)
}

// flush sends what there is on the selected path.
func (s *Server) flush() {
	p := s.path(s.Att)
	if p == nil || !p.Alive {
		return
	}
	p.next = max(p.next, s.Acked+1)
	if p.next > uint64(len(s.down)) {
		return
	}
	if p.Transport == LongPoll {
		if q := p.poll; q != nil && p.next <= uint64(len(s.down)) {
			p.poll = nil
			q.honest(s.reply(p, ""))
		}
		return
	}
	for p.next <= uint64(len(s.down)) {
		p.send(s.lines(p))
	}
}

// lines makes a batch of what is next on a path, as large as the client takes.
func (s *Server) lines(p *Path) string {
	var b strings.Builder
	first := p.next
	b.WriteString(s.head(first))
	for p.next <= uint64(len(s.down)) {
		l := s.down[p.next-1]
		if b.Len()+len(l) > int(p.Lim)-600 { // room for what else rides along
			break
		}
		b.WriteString(l)
		s.Sent = max(s.Sent, p.next)
		p.next++
	}
	if p.next > first {
		s.record(trace.Event{What: "lines", Att: p.Att, First: first, Number: p.next - 1})
	}
	return b.String()
}

// Opened is an honest opened for a path.
func (s *Server) Opened(p *Path) string {
	return fmt.Sprintf(`!opened {"v":1,"id":"%s","run":"%s","node":"script","att":%d,"recv":%d,"sel":{"u":%d,"att":%d},`+
		`"lim":{"maxBatch":%d,"maxMessage":%d},"win":%d,"ping":%d,"hold":%d,"ttl":%d,"challenge":"%s"}`,
		identify(s.Key), s.Run, p.Att, s.Recv, s.U, s.Att, s.MaxBatch, s.MaxMessage, s.Win, s.Ping, s.Hold, s.TTL, p.Challenge)
}

// ReplyLine is an honest !reply.
func (s *Server) ReplyLine() string {
	return fmt.Sprintf(`!reply {"recv":%d,"sent":%d,"sel":{"u":%d,"att":%d}}`, s.Recv, s.Sent, s.U, s.Att)
}

// End ends the session as a server does that has closed it. The server is locked.
func (s *Server) End(code int, reason string) {
	s.Ended = s.Closed(code, reason)
	s.record(trace.Event{What: "end", Cause: "close"})
	for _, p := range s.Paths {
		if !p.Alive {
			continue
		}
		if p.Transport == LongPoll {
			if p.poll != nil {
				p.poll.honest(&Reply{Batch: s.head(p.next) + s.Ended + "\n"})
				p.poll = nil
			}
			continue
		}
		p.Control(s.Ended)
	}
	s.change()
}

// Closed is an honest final word.
func (s *Server) Closed(code int, reason string) string {
	s.acked("client", messagesTo(s.upEnds, s.Taken))
	return fmt.Sprintf(`!closed {"code":%d,"reason":%q,"recv":%d,"ack":%d}`, code, reason, s.Taken, s.Acked)
}

func shorten(s string) string {
	if len(s) > 300 {
		return s[:300] + fmt.Sprintf("… (%d bytes)", len(s))
	}
	return s
}

// KillSoon ends the path's carrier without a word after a while.
func (p *Path) KillSoon(d time.Duration) { p.s.later(d, p.Kill) }

// RawSoon is Raw after a while.
func (p *Path) RawSoon(d time.Duration, batch string) { p.s.later(d, func() { p.Raw(batch) }) }

// Pinged counts the pings of the client on the path. The server is locked.
func (p *Path) Pinged() int { return p.pinged }

// Polling tells whether a poll of the path hangs. The server is locked.
func (p *Path) Polling() bool { return p.poll != nil && p.poll.Over.IsZero() && !p.poll.done }
