package script

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/trace"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// open makes an attachment, and creates the session where there is none.
func (s *Server) open(transport string, b *wire.Batch) *Attachment {
	o := &b.Lines[0]
	key, run, att := o.Text("key"), o.Text("run"), o.Number("att")
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(key); err != nil || len(raw) != 32 || len(key) != 43 {
		s.fault("HF1-WHO-01", "the key is %q: 32 bytes as base64url without padding are wanted", key)
	}
	var f struct {
		Auth json.RawMessage
		Lim  struct{ MaxBatch uint64 }
		V    []uint64
	}
	_ = json.Unmarshal(o.JSON, &f)
	if len(f.V) == 0 || f.V[0] != 1 {
		s.fault("HF1-ATT-09", "!open offers the versions %v", f.V)
	}
	s.Opens++
	s.Auths = append(s.Auths, string(f.Auth))
	if key != s.Key || s.Run == "" {
		if run != "" && s.Run != "" && s.Ended == "" {
			s.fault("HF1-CLO-06", "another key although the session has not ended")
		}
		s.newSession(key)
	}
	switch {
	// one that took part in the race may come late
	case run == "" && s.Confirmed && time.Since(s.confirmedAt) > 3*time.Second:
		s.fault("HF1-WHO-03", "an !open without run, after the run was repeated")
	case run != "" && run != s.Run:
		s.fault("HF1-WHO-03", "!open repeats the run %q, not %q", run, s.Run)
	}
	if att == 0 {
		s.fault("HF1-ATT-01", "!open with att 0")
	}
	if run != "" && b.Logs() > 0 {
		s.fault("HF1-ATT-08", "an !open with run carries log lines")
	}
	if early := s.early(b); early > 4<<10 && b.Logs() > 1 {
		s.fault("HF1-ATT-08", "%d bytes of early messages in an !open", early)
	}
	p := &Attachment{
		s: s, Att: att, Transport: transport, OpenedAt: time.Now(), wrote: time.Now(), Alive: true,
		Ack: b.Ack, Position: o.Number("recv"), U: o.Number("u"), Challenge: random(),
	}
	if p.Lim = f.Lim.MaxBatch; p.Lim == 0 {
		p.Lim = 65536
	}
	s.attach(p)
	return p
}

func (s *Server) early(b *wire.Batch) (n int) {
	for _, l := range b.Lines {
		if l.Log() {
			n += len(l.Data)
		}
	}
	return n
}

// newSession makes a new session.
func (s *Server) newSession(key string) {
	if s.Key != "" {
		s.down = nil
		s.Forged = true // one trace cannot tell two sessions of a run apart
	}
	s.Key, s.Run, s.Confirmed, s.Ended, s.Closing = key, random(), false, "", false
	s.U, s.Att, s.Recv, s.Taken, s.Sent, s.Acked, s.ackSent = 0, 0, 0, 0, 0, 0, 0
	s.up, s.size, s.part, s.Messages, s.Attachments = nil, nil, nil, nil, nil
}

// attach adds an attachment, and selects it if its u says so.
func (s *Server) attach(p *Attachment) {
	if old := s.attachment(p.Att); old != nil {
		if old.Transport != p.Transport || old.Detached {
			s.fault("HF1-ATT-01", "the attachment %d is used twice", p.Att)
		}
		old.end(nil)
	}
	if p.Position > s.Sent {
		s.fault("HF1-NUM-09", "!open with a position of %d where %d lines were sent", p.Position, s.Sent)
	}
	s.Attachments = append(s.Attachments, p)
	s.record(trace.Event{What: "attach", Att: p.Att, Position: p.Position})
	p.next = max(p.Position, s.Acked) + 1
	if p.U > s.U {
		s.selectAttachment(p, p.U, p.Position)
	}
}

// addressed finds the attachment that a poll or up belongs to. If it returns nil, the reply is the
// answer.
func (s *Server) addressed(q *Request) (*Attachment, *Reply) {
	l := &q.Batch.Lines[0]
	if s.Run == "" || (l.Text("run") != s.Run && l.Text("key") != s.Key) {
		return nil, &Reply{Batch: "@1 0\n!refused {\"reason\":\"unknown\"}\n"}
	}
	s.checkAddress(l)
	p := s.attachment(l.Number("att"))
	switch {
	case s.Ended != "":
		return nil, &Reply{Batch: s.head(1) + s.Ended + "\n"}
	case p == nil:
		s.fault("HF1-ATT-01", "a request for the attachment %d, which was never opened", l.Number("att"))
		return nil, &Reply{Batch: "@1 0\n!detach {\"code\":4004,\"gone\":true}\n"}
	case !p.Alive && (q.Kind == "poll" || q.Batch.Find("!use") != nil):
		return nil, &Reply{Batch: s.head(1) + "!detach {\"code\":4005,\"gone\":true}\n"}
	}
	return p, nil
}

// answerUp takes an up and answers it.
func (s *Server) answerUp(q *Request) *Reply {
	p, r := s.addressed(q)
	if r != nil {
		return r
	}
	p.Ups++
	s.take(q.Batch)
	answers := s.controls(p, q.Batch)
	s.after(q.Batch)
	if p.Transport == SSE && p.Alive && !strings.Contains(strings.Join(answers, " "), "!reply") {
		for _, a := range answers { // HF1-LIV-02: the answer to an up of a stream goes on the stream
			p.Control(a)
		}
		answers = nil
	}
	r = s.reply(nil, "")
	for _, a := range answers {
		if !strings.HasPrefix(a, "!reply") {
			r.Batch += a + "\n"
		}
	}
	return r
}

// after does what follows from what was taken: echoes, and the end after the client's !close.
func (s *Server) after(*wire.Batch) {
	if s.Closing && s.Ended == "" && (s.Holds == nil || !s.Holds()) {
		s.End(4100, "")
	}
	s.flush()
	s.change()
}

// reply is the answer to an up or poll. p is given if the answer may carry down lines.
func (s *Server) reply(p *Attachment, more string) *Reply {
	if s.Ended != "" {
		return &Reply{Batch: s.head(1) + s.Ended + "\n"}
	}
	line := s.ReplyLine() + "\n" + more
	if p == nil || p.Att != s.Att {
		return &Reply{Batch: s.head(s.Acked+1) + line}
	}
	head, lines, _ := strings.Cut(s.lines(p), "\n")
	return &Reply{Batch: head + "\n" + line + lines}
}
