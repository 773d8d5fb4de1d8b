package script

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/trace"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// sessionID is the id of a key (HF1-WHO-02).
func sessionID(key string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(key)
	sum := sha256.Sum256(append([]byte("holdfast/1 id"), raw...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// take applies the head and the log lines of a batch. It returns true at a gap.
func (s *Server) take(b *wire.Batch) (gap bool) {
	if b.Ack > s.Sent {
		s.fault("HF1-NUM-05", "an ack of %d where %d lines were sent", b.Ack, s.Sent)
		return false
	}
	if b.Ack > s.Acked {
		s.Acked = b.Ack
		s.acked("server", messagesTo(s.downEnds, b.Ack))
	}
	if b.Mark != "" {
		s.fault("HF1-BAT-12", "the client repeats the mark %q", b.Mark)
	}
	if uint64(b.Size) > uint64(s.MaxBatch) {
		s.fault("HF1-ATT-06", "a batch of %d bytes where %d were stated", b.Size, s.MaxBatch)
	}
	if b.First > s.Recv+1 {
		switch {
		case s.Lossy:
		case b.Logs() > 0:
			s.fault("HF1-NUM-01", "log lines from %d on where %d is next", b.First, s.Recv+1)
		default:
			s.fault("HF1-NUM-06", "a head without log lines looks like a gap: it says %d where %d is next", b.First,
				s.Recv+1)
		}
		return true
	}
	n := b.First
	for _, l := range b.Lines {
		if !l.Log() {
			continue
		}
		s.line(n, l)
		n++
	}
	s.window()
	return false
}

func (s *Server) line(n uint64, l wire.Line) {
	text := fmt.Sprintf("%c%v%s%s", l.Kind, l.More, l.Data, l.JSON)
	if n <= s.Recv {
		if s.up[n-1] != text {
			s.fault("HF1-NUM-01", "line %d is sent again with other content", n)
		}
		return
	}
	if s.Closing {
		s.fault("HF1-CLO-01", "a log line after the client's !close")
		return
	}
	s.up = append(s.up, text)
	s.size = append(s.size, len(l.Data)+16)
	s.Recv = n
	if l.Is("!close") {
		s.Closing = true
		s.size[n-1] = 0
		s.Taken = n
		return
	}
	s.part = append(s.part, l.Data...)
	if l.More {
		return
	}
	m := Message{string(s.part), l.Kind == wire.Binary, n}
	s.part = nil
	if len(m.Data) > s.MaxMessage {
		s.fault("HF1-NUM-10", "a message of %d bytes where %d were stated", len(m.Data), s.MaxMessage)
	}
	s.Messages = append(s.Messages, m)
	s.upEnds = append(s.upEnds, n)
	s.record(trace.Event{What: "deliver", Number: m.Number, Digest: trace.Digest(m.Data, m.Binary)})
	s.Taken = n
	if s.Echo {
		for _, line := range Lines(m.Data, m.Binary) {
			s.down = append(s.down, line+"\n")
			s.recordEnqueued(line)
		}
	}
}

// window checks that the client keeps to the window; one whole message is always allowed
// (HF1-NUM-10).
func (s *Server) window() {
	sum, messages := 0, 1
	for n := s.ackSent + 1; n <= s.Recv; n++ {
		sum += s.size[n-1]
		if n < s.Recv && s.up[n-1][1] == 'f' { // fmt's false: the message ended here
			messages++
		}
	}
	if sum > s.Win && messages > 1 {
		s.fault("HF1-NUM-10", "%d bytes are not acknowledged where %d may be", sum, s.Win)
	}
}

// checkAddress checks the key and the run of an address.
func (s *Server) checkAddress(l *wire.Line) {
	if l.Text("key") != s.Key {
		s.fault("HF1-WHO-03", "a request with another key than the session's")
	}
	if run := l.Text("run"); run != s.Run {
		s.fault("HF1-WHO-03", "!%s repeats the run %q, not %q", l.Name, run, s.Run)
	}
	s.noteConfirmed()
}

// controls acts on the controls of a batch and returns the answers.
func (s *Server) controls(p *Attachment, b *wire.Batch) (answers []string) {
	for i := range b.Lines {
		l := &b.Lines[i]
		switch {
		case l.Is("!ping"):
			p.pinged++
			answers = append(answers, fmt.Sprintf(`!pong {"i":%d}`, l.Number("i")))
		case l.Is("!pong"):
			p.Pongs++
		case l.Is("!rewind"):
			p.Rewinds++
			s.rewind(p, l.Number("recv"))
		case l.Is("!detach"):
			p.Detached = true
			if p.noteEnd(); p.close != nil {
				p.close(0)
			}
		case l.Is("!use"):
			s.use(p, l)
			answers = append(answers, s.ReplyLine())
		case l.Is("!opened"), l.Is("!reply"), l.Is("!refused"), l.Is("!closed"), l.Is("?beacon"), l.Is("?move"):
			s.fault("HF1-ERR-05", "the client sends %s", l)
		}
	}
	return answers
}

func (s *Server) rewind(p *Attachment, recv uint64) {
	if recv > s.Sent {
		s.fault("HF1-NUM-09", "!rewind to %d where %d lines were sent", recv, s.Sent)
		return
	}
	p.setPosition(recv)
}

func (s *Server) use(p *Attachment, l *wire.Line) {
	p.Uses++
	u, recv := l.Number("u"), l.Number("recv")
	if recv > s.Sent {
		s.fault("HF1-NUM-09", "!use with a position of %d where %d lines were sent", recv, s.Sent)
		return
	}
	if l.Text("challenge") != p.Challenge || l.Number("att") != p.Att {
		s.fault("HF1-SEL-03", "!use with another challenge or att than those of the opened on that attachment")
		return
	}
	if u > s.U {
		s.selectAttachment(p, u, recv)
	}
}

func (s *Server) selectAttachment(p *Attachment, u, recv uint64) {
	old := s.attachment(s.Att)
	s.U, s.Att = u, p.Att
	s.record(trace.Event{What: "use", Att: p.Att, U: u})
	p.setPosition(recv)
	if old == nil || old == p || !old.Alive {
		return
	}
	if old.Transport != LongPoll {
		old.Control(`!detach {"code":4001}`)
	} else if q := old.poll; q != nil {
		old.poll = nil
		q.honest(s.reply(old, "!detach {\"code\":4001}\n"))
	}
}

func (s *Server) noteConfirmed() {
	if !s.Confirmed {
		s.Confirmed, s.confirmedAt = true, time.Now()
	}
}
