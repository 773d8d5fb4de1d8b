package script

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/trace"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Transport names, as the adapter protocol has them.
const (
	WebSocket = "websocket"
	SSE       = "sse"
	LongPoll  = "longpoll"
)

// Attachment is a WebSocket, an event stream, or a series of polls.
type Attachment struct {
	Att       uint64
	Transport string
	OpenedAt  time.Time
	Alive     bool
	Detached  bool   // the client has ended it
	Ack       uint64 // of the open
	Position  uint64 // the client stated in its open
	U         uint64 // of the open, 0 without
	Challenge string
	Lim       uint64 // the client's maxBatch

	counts
	conn

	s     *Server
	next  uint64 // the next down line to send here
	p     uint64
	wrote time.Time
	poll  *Request // the one that hangs
}

// counts are the counts of what came on an attachment.
type counts struct {
	Polls, Ups, Pongs, Rewinds, Uses int

	pings  int // by the server
	pinged int // by the client
}

// conn writes on the WebSocket or the stream of an attachment.
type conn struct {
	Binary func(frame []byte) // a binary frame, on a WebSocket

	write func(frame string) error
	raw   func(s string) // bytes, on a stream
	close func(code int) // 0: without a close frame
}

// Find returns the newest attachment of a transport, "" for any. The server is locked.
func (s *State) Find(transport string) *Attachment {
	for i := len(s.Attachments) - 1; i >= 0; i-- {
		if p := s.Attachments[i]; transport == "" || p.Transport == transport {
			return p
		}
	}
	return nil
}

// Live returns the newest attachment of a transport that has not ended. The server is locked.
func (s *State) Live(transport string) *Attachment {
	for i := len(s.Attachments) - 1; i >= 0; i-- {
		if p := s.Attachments[i]; p.Alive && (transport == "" || p.Transport == transport) {
			return p
		}
	}
	return nil
}

func (s *State) attachment(att uint64) *Attachment {
	for i := len(s.Attachments) - 1; i >= 0; i-- {
		if s.Attachments[i].Att == att {
			return s.Attachments[i]
		}
	}
	return nil
}

// Kill ends the connection of the attachment without any notice. The server is locked.
func (p *Attachment) Kill() { p.end(nil) }

// CloseWith ends a WebSocket with a close frame. The server is locked.
func (p *Attachment) CloseWith(code int) {
	p.noteEnd()
	if p.close != nil {
		p.close(code)
	}
	p.s.change()
}

func (p *Attachment) end(r *Reply) {
	p.noteEnd()
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

// Raw sends a frame or an event as it is; the lines of the batch end with LF. The server is locked.
func (p *Attachment) Raw(batch string) {
	p.s.Forged = true
	p.put(batch)
}

func (p *Attachment) put(batch string) {
	p.s.t.Logf("-> %s/%d %q", p.Transport, p.Att, shorten(batch))
	p.wrote = time.Now()
	if p.write != nil {
		if err := p.write(batch); err != nil {
			p.s.t.Logf("   not written: %v", err)
		}
	}
}

// Bytes writes bytes to an event stream as they are. The server is locked.
func (p *Attachment) Bytes(s string) {
	p.s.Forged = true
	if p.raw != nil {
		p.s.t.Logf("-> %s/%d bytes %q", p.Transport, p.Att, shorten(s))
		p.raw(s)
	}
}

func (p *Attachment) send(batch string) {
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
func (p *Attachment) Control(controls ...string) {
	p.send(p.s.head(p.next) + strings.Join(controls, "\n") + "\n")
}

// keepAlive pings an attachment that was silent, as a server must (HF1-LIV-01).
func (p *Attachment) keepAlive() {
	if !p.Alive || p.s.Silent {
		return
	}
	if most := time.Duration(p.s.Ping) * time.Millisecond; time.Since(p.wrote) >= min(most, 5*time.Second) {
		p.pings++
		p.Control(fmt.Sprintf(`!ping {"i":%d}`, p.pings))
	}
	p.s.later(200*time.Millisecond, p.keepAlive)
}

// head is an honest head; it states the ack.
func (s *Server) head(first uint64) string {
	ack := s.Taken
	if s.Holds != nil && s.Holds() {
		ack = s.ackSent
	}
	if ack > s.ackSent {
		s.ackSent = ack
		s.acked("client", messagesTo(s.upEnds, ack))
	}
	return wire.Head(first, s.ackSent)
}

// flush sends what there is on the selected attachment.
func (s *Server) flush() {
	p := s.attachment(s.Att)
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

// lines makes a batch of what is next on an attachment, as large as the client takes.
func (s *Server) lines(p *Attachment) string {
	var b strings.Builder
	first := p.next
	b.WriteString(s.head(first))
	for p.next <= uint64(len(s.down)) {
		l := s.down[p.next-1]
		if b.Len()+len(l) > int(p.Lim)-600 { // room for the controls of the same batch
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

// Opened is an honest opened for an attachment.
func (s *Server) Opened(p *Attachment) string {
	return fmt.Sprintf(`!opened {"v":1,"id":"%s","run":"%s","node":"script","att":%d,"recv":%d,`+
		`"sel":{"u":%d,"att":%d},"lim":{"maxBatch":%d,"maxMessage":%d},`+
		`"win":%d,"ping":%d,"hold":%d,"ttl":%d,"challenge":"%s"}`,
		sessionID(s.Key), s.Run, p.Att, s.Recv, s.U, s.Att, s.MaxBatch, s.MaxMessage, s.Win, s.Ping, s.Hold, s.TTL,
		p.Challenge)
}

// ReplyLine is an honest !reply.
func (s *Server) ReplyLine() string {
	return fmt.Sprintf(`!reply {"recv":%d,"sent":%d,"sel":{"u":%d,"att":%d}}`, s.Recv, s.Sent, s.U, s.Att)
}

// End ends the session in the way of a server that has closed it. The server is locked.
func (s *Server) End(code int, reason string) {
	s.Ended = s.Closed(code, reason)
	s.record(trace.Event{What: "end", Cause: "close"})
	for _, p := range s.Attachments {
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

// Closed is an honest !closed.
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

// KillSoon is Kill after a while.
func (p *Attachment) KillSoon(d time.Duration) { p.s.later(d, p.Kill) }

// RawSoon is Raw after a while.
func (p *Attachment) RawSoon(d time.Duration, batch string) { p.s.later(d, func() { p.Raw(batch) }) }

// Pinged counts the client's pings on the attachment. The server is locked.
func (p *Attachment) Pinged() int { return p.pinged }

// Polling reports whether a poll of the attachment hangs. The server is locked.
func (p *Attachment) Polling() bool { return p.poll != nil && p.poll.Over.IsZero() && !p.poll.done }
