package script

import (
	"github.com/holdfast-rt/holdfast/conformance/trace"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// record writes an event of the server into the trace.
func (s *Server) record(e trace.Event) {
	if s.Record != nil {
		e.Side = "server"
		s.Record(e)
	}
}

// acked records that a side has learned what its peer has taken.
func (s *Server) acked(side string, number uint64) {
	if s.Record != nil && number > 0 {
		s.Record(trace.Event{Side: side, What: "ack", Number: number})
	}
}

// messagesTo is the number of the last whole message up to a line: an ack may cover a !close too,
// which is no message.
func messagesTo(ends []uint64, line uint64) (last uint64) {
	for _, n := range ends {
		if n <= line {
			last = n
		}
	}
	return last
}

// recordEnqueued records what was put into the server's log, once a message is whole. A line that
// is no log line of the protocol makes the run a forged one.
func (s *Server) recordEnqueued(line string) {
	b, err := wire.Parse([]byte("@1 0\n" + line + "\n"))
	if err != nil || len(b.Lines) != 1 || !b.Lines[0].Log() {
		s.Forged = true
		return
	}
	l := b.Lines[0]
	if l.Kind != wire.Text && l.Kind != wire.Binary {
		return
	}
	if s.enqueuing = append(s.enqueuing, l.Data...); l.More {
		return
	}
	n := uint64(len(s.down))
	s.downEnds = append(s.downEnds, n)
	s.record(trace.Event{What: "enqueue", Number: n, Digest: trace.Digest(string(s.enqueuing), l.Kind == wire.Binary)})
	s.enqueuing = nil
}

// setPosition sets where the attachment goes on: behind a position that the client has stated for
// the server's log.
func (p *Attachment) setPosition(position uint64) {
	next := max(position, p.s.Acked) + 1
	if next != p.next {
		p.s.record(trace.Event{What: "attach", Att: p.Att, Position: next - 1})
	}
	p.next = next
}

// noteEnd notes that the attachment has ended.
func (p *Attachment) noteEnd() {
	if p.Alive {
		p.s.record(trace.Event{What: "kill", Att: p.Att})
	}
	p.Alive = false
}
