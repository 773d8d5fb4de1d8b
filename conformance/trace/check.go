package trace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Violation is an invariant that a trace breaks.
type Violation struct {
	Invariant string // I1 … I7
	Line      int    // of the trace, 0 for its end
	Session   string
	Text      string
}

func (v Violation) String() string {
	return fmt.Sprintf("line %d: session %s: %s: %s", v.Line, v.Session, v.Invariant, v.Text)
}

// Report is what a trace holds.
type Report struct {
	Events, Sessions, Delivered int
	Violations                  []Violation
}

// maxAttachments bounds the attachments of a session: four, and one that is being replaced
// (HF1-ATT-04).
const maxAttachments = 5

// side is what the trace says of one side of a session.
type side struct {
	sent    map[uint64]string // digests, by number
	order   []uint64
	got     []delivery // what its application was given
	matched int        // how many of them were compared with what the peer sent
	last    uint64     // the number of the last of them
	acked   uint64
	early   []pendingAck // acks whose deliveries are not in the trace yet
	ended   bool
	end     int64 // when
}

// delivery is one message that an application was given. In a trace it may stand before the line
// that says it was sent, because two sides write the trace.
type delivery struct {
	number uint64
	digest string
	line   int
}

// pendingAck is an ack whose delivery is not in the trace yet.
type pendingAck struct {
	number uint64
	line   int
	time   int64
}

// maxSkew is how much later, in ms, a delivery may stand in a trace than its ack.
const maxSkew = 2000

type session struct {
	sides       map[string]*side
	attachments map[uint64]map[string]uint64 // the open ones, and for each side the next line; 0: not known
	u           uint64
	calm        int64
	pending     map[string]int // how many messages of a side were sent before the calm
	bound       int64
}

// Check reads a trace and checks what a trace can show:
func Check(r io.Reader) (*Report, error) {
	c := &checker{sessions: map[string]*session{}}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		c.line++
		if len(in.Bytes()) == 0 {
			continue
		}
		var e Event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", c.line, err)
		}
		c.event(e)
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	c.finish()
	return &c.Report, nil
}

type checker struct {
	Report
	sessions map[string]*session
	line     int
	now      int64
}

func (c *checker) violate(invariant, id, format string, args ...any) {
	c.violateAt(c.line, invariant, id, format, args...)
}

func (c *checker) violateAt(line int, invariant, id, format string, args ...any) {
	if len(c.Violations) < 100 {
		c.Violations = append(c.Violations, Violation{invariant, line, id, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) session(id string) *session {
	s := c.sessions[id]
	if s == nil {
		s = &session{sides: map[string]*side{}, attachments: map[uint64]map[string]uint64{}, pending: map[string]int{}}
		for _, name := range []string{"client", "server"} {
			s.sides[name] = &side{sent: map[uint64]string{}}
		}
		c.sessions[id] = s
		c.Sessions++
	}
	return s
}

func (c *checker) event(e Event) {
	c.Events++
	c.now = max(c.now, e.Time)
	s := c.session(e.Session)
	defer c.checkAcks(e.Session, s, e.Time)
	mine := s.sides[e.Side]
	if mine == nil {
		mine = &side{sent: map[uint64]string{}}
	}
	peer := s.sides[map[string]string{"client": "server", "server": "client"}[e.Side]]
	switch e.What {
	case "enqueue":
		if len(mine.order) > 0 && e.Number <= mine.order[len(mine.order)-1] {
			c.violate("I1", e.Session, "the %s gives a message the number %d after %d", e.Side, e.Number,
				mine.order[len(mine.order)-1])
		}
		mine.sent[e.Number] = e.Digest
		mine.order = append(mine.order, e.Number)
		c.match(e.Session, peer, mine)
	case "deliver":
		c.Delivered++
		mine.got = append(mine.got, delivery{e.Number, e.Digest, c.line})
		mine.last = max(mine.last, e.Number)
		c.match(e.Session, mine, peer)
	case "ack":
		mine.early = append(mine.early, pendingAck{e.Number, c.line, e.Time})
		if e.Number < mine.acked {
			c.violate("I3", e.Session, "the ack of the %s falls from %d to %d", e.Side, mine.acked, e.Number)
		}
		mine.acked = max(mine.acked, e.Number)
	case "free":
		if e.Number > mine.acked {
			c.violate("I2", e.Session, "the %s frees up to %d, and %d is acknowledged", e.Side, e.Number, mine.acked)
		}
	case "end":
		if !slices.Contains([]string{"close", "closed", "refused", "ttl", "local"}, e.Cause) {
			c.violate("I4", e.Session, "the session ends because of %q", e.Cause)
		}
		if !mine.ended {
			mine.ended, mine.end = true, e.Time
		}
	case "calm":
		s.calm, s.bound = e.Time, max(e.Within, 0)
		for name, x := range s.sides {
			s.pending[name] = len(x.order)
		}
	default:
		c.attachment(e, s, mine)
	}
}

// match compares what a side was given with what its peer has sent, as far as both are known.
func (c *checker) match(id string, mine, peer *side) {
	if mine == nil || peer == nil {
		return
	}
	for ; mine.matched < min(len(mine.got), len(peer.order)); mine.matched++ {
		switch g, next := mine.got[mine.matched], peer.order[mine.matched]; {
		case g.number != next:
			c.violateAt(g.line, "I1", id, "the message %d is given where %d is next", g.number, next)
		case g.digest != peer.sent[next]:
			c.violateAt(g.line, "I1", id, "the message %d is given with other content", next)
		}
	}
}

// checkAcks finds acks of messages that nobody was given in time.
func (c *checker) checkAcks(id string, s *session, now int64) {
	for name, peer := range map[string]string{"client": "server", "server": "client"} {
		x, last := s.sides[name], s.sides[peer].last
		x.early = slices.DeleteFunc(x.early, func(a pendingAck) bool {
			if a.number > last && now > a.time+maxSkew {
				c.violateAt(a.line, "I2", id,
					"the %s counts %d as taken, but its peer was given only messages up to %d", name, a.number, last)
			}
			return a.number <= last || now > a.time+maxSkew
		})
	}
}

// attachment checks the events that concern attachments.
func (c *checker) attachment(e Event, s *session, mine *side) {
	switch e.What {
	case "attach":
		if s.attachments[e.Att] == nil {
			s.attachments[e.Att] = map[string]uint64{}
		}
		if e.Side != "" {
			s.attachments[e.Att][e.Side] = e.Position + 1
		}
		if len(s.attachments) > maxAttachments {
			c.violate("I6", e.Session, "%d attachments live", len(s.attachments))
		}
	case "kill":
		delete(s.attachments, e.Att)
	case "use":
		if e.U <= s.u {
			c.violate("I6", e.Session, "a selection by u %d after %d", e.U, s.u)
		}
		s.u = max(s.u, e.U)
	case "lines":
		next := s.attachments[e.Att][e.Side]
		if next > 0 && e.First != next && e.First != mine.acked+1 {
			c.violate("I5", e.Session, "on the attachment %d the %s sends from %d, %d is next", e.Att, e.Side, e.First,
				next)
		}
		if s.attachments[e.Att] != nil {
			s.attachments[e.Att][e.Side] = e.Number + 1
		}
	default:
		c.violate("I6", e.Session, "an event that is not known: %q", e.What)
	}
}

// finish checks what only the end of a trace shows.
func (c *checker) finish() {
	c.line = 0
	for id, s := range c.sessions {
		c.checkAcks(id, s, c.now+2*maxSkew)
		for name, x := range s.sides {
			if x.matched < len(x.got) {
				c.violateAt(x.got[x.matched].line, "I1", id, "the %s is given a message that was not sent: %d", name,
					x.got[x.matched].number)
			}
		}
		within := s.bound
		if within == 0 {
			within = 100_000
		}
		if s.calm == 0 || c.now < s.calm+within {
			continue
		}
		for name, peer := range map[string]string{"client": "server", "server": "client"} {
			x, y := s.sides[peer], s.sides[name]
			over := func(side *side) bool { return side.ended && side.end < s.calm+within }
			if len(x.got) < s.pending[name] && !over(x) && !over(y) {
				c.violate("I7", id, "%d messages of the %s were sent before the calm, and %d of them have arrived",
					s.pending[name], name, len(x.got))
			}
		}
	}
}
