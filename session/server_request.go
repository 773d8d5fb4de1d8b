package session

import (
	"crypto/subtle"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// poll hangs a poll (HF1-POL-*). It consumes nothing: its recv only positions the path.
func (m *serverMachine) poll(c *serverConn, v *pollControl, p *packet, ctl []any, now time.Time) {
	m.repeated = true
	m.acked(p.ack)
	m.accept(p, now)
	path := m.path(v.Att)
	m.hear(path, now)
	if path == nil {
		m.answerGone(c)
		m.step(now)
		return
	}
	c.path, c.p = path, v.P
	m.controls(c, path, ctl, now)
	if m.path(v.Att) != path { // it has ended its own attachment
		m.answerGone(c)
		m.step(now)
		return
	}
	if v.P < path.p { // HF1-POL-02
		c.ready, c.empty = true, true
		m.wake = append(m.wake, c)
		m.step(now)
		return
	}
	if v.P > path.p || len(path.polls) >= maxCopies {
		m.overtake(path)
		path.p = v.P
	}
	if m.sel == path {
		m.missed(path, v.Recv)
		path.pos = m.out.from(v.Recv)
	}
	hold := m.cfg.hold
	if v.Hold > 0 {
		hold = min(hold, millis(v.Hold))
	}
	if p.logs > 0 || len(ctl) > 1 { // HF1-POL-03: lines and pings are answered soon
		hold = min(hold, 50*time.Millisecond)
	}
	path.pollBy = now.Add(hold)
	path.polls = append(path.polls, c)
	m.step(now)
}

// maxCopies bounds the copies of one poll that hang beside each other; at the bound they are answered, empty.
const maxCopies = 4

// overtake completes the hanging polls of a path, empty (HF1-POL-02).
func (m *serverMachine) overtake(p *serverPath) {
	for _, old := range p.polls {
		old.ready, old.empty = true, true
		m.wake = append(m.wake, old)
	}
	p.polls = nil
}

// up takes a POST that carries the client's batch, and answers it at once (HF1-NUM-12).
func (m *serverMachine) up(c *serverConn, v *upControl, p *packet, ctl []any, now time.Time) {
	m.repeated = true
	m.acked(p.ack)
	m.accept(p, now)
	path := m.path(v.Att)
	m.hear(path, now)
	if path == nil {
		if find[*useControl](ctl) != nil {
			m.answerGone(c)
			m.step(now)
			return
		}
	} else {
		c.path = path
		m.controls(c, path, ctl, now)
	}
	c.ready, c.empty = true, true
	m.wake = append(m.wake, c)
	m.step(now)
}

// frame takes one batch from a WebSocket after its open.
func (m *serverMachine) frame(c *serverConn, p *packet, ctl []any, now time.Time) {
	path := c.path
	m.repeated = true
	m.hear(path, now)
	m.acked(p.ack)
	gap := m.accept(p, now)
	m.controls(c, path, ctl, now)
	if gap && now.Sub(m.rewindAt) >= 250*time.Millisecond {
		m.rewindAt = now
		path.ctl = appendControl(path.ctl, true, "rewind", rewindControl{Recv: m.in.recv})
	}
	m.step(now)
}

// maxUnsaid bounds the bytes of answers that wait to be written on a path, so that they fit any batch. Beyond it questions stay unanswered: a
// client that asks and does not read loses its own answers.
const maxUnsaid = 1024

func (p *serverPath) unread() bool { return len(p.ctl) > maxUnsaid }

// controls lets the controls of an admitted batch act on its path.
func (m *serverMachine) controls(c *serverConn, path *serverPath, ctl []any, now time.Time) {
	for _, v := range ctl {
		switch v := v.(type) {
		case *useControl:
			m.use(c, path, v, now)
		case *pingControl:
			say(c, path, namePong, pongControl(*v))
		case *pongControl:
			if v.I == path.pingI && !path.pingAt.IsZero() {
				if m.cfg.observe != nil {
					m.cfg.observe(observation{what: "rtt", transport: transportOf(path.kind), rtt: now.Sub(path.pingAt)})
				}
				path.pingAt = time.Time{}
			}
		case *rewindControl:
			if path == m.sel {
				path.pos = m.out.from(v.Recv)
			}
		case *detachControl:
			m.endPath(path, transport.CodeDetached)
			return
		case *ticketControl:
			if m.cfg.ticket != nil && !path.unread() && len(c.ctl) < maxUnsaid {
				answer := ticketControl{Ticket: m.cfg.ticket(m, *v), TTL: 30000}
				if c.kind == transport.KindSocket {
					say(c, path, nameTicket, answer)
				} else {
					c.ctl = appendControl(c.ctl, true, nameTicket, answer)
				}
			}
		}
	}
}

// say answers on the path, or for a long-poll attachment in the reply of the request itself (HF1-LIV-02).
func say(c *serverConn, path *serverPath, name string, v any) {
	ctl := &path.ctl
	if path.kind == transport.KindOpen {
		ctl = &c.ctl
	}
	if len(*ctl) <= maxUnsaid {
		*ctl = appendControl(*ctl, true, name, v)
	}
}

// use selects a path that the client has heard on; a late or repeated one only gets an answer (HF1-SEL-03, HF1-SEL-04).
func (m *serverMachine) use(c *serverConn, path *serverPath, v *useControl, now time.Time) {
	heard := subtle.ConstantTimeCompare([]byte(v.Challenge), []byte(path.challenge)) == 1
	if v.U > m.u && heard && v.Att == path.att {
		m.choose(path, v.U, v.Recv, now)
	}
	if c.kind == transport.KindSocket {
		say(c, path, nameReply, m.reply())
	}
}

func (m *serverMachine) reply() replyControl {
	return replyControl{Recv: m.in.recv, Sent: m.out.sent, Sel: selControl{m.u, m.selAt}}
}

// closed reports that a carrier has ended, by whatever cause. broken: not in the regular way.
func (m *serverMachine) closed(c *serverConn, broken bool, now time.Time) {
	if c.gone {
		return
	}
	c.gone = true
	p := c.path
	if p == nil {
		return
	}
	for i, x := range p.polls {
		if x == c {
			p.polls = append(p.polls[:i], p.polls[i+1:]...)
			break
		}
	}
	if p.conn == c {
		p.conn = nil
		if broken {
			m.limit(p).lost(&p.underway)
		}
		m.removePath(p)
	}
	m.step(now)
}

// fault ends the carrier of a batch that breaks a rule, and with it the attachment of a WebSocket (HF1-ERR-01). The session ends when two in a
// row did, on attachments of two transports (HF1-ERR-02), or when the rule was the window's or the server's bound.
func (m *serverMachine) fault(c *serverConn, path *serverPath, err error, now time.Time) {
	code, kind := codeOf(err), c.kind
	if path != nil {
		kind = path.kind
	}
	if code == transport.CodeWindow || code == transport.CodeSlow || m.lastFault == code && m.faultKind != kind {
		m.finish(ending{code: code, reason: ruleOf(err)})
	}
	m.lastFault, m.faultKind = code, kind
	reason := "malformed"
	if code == transport.CodePosition {
		reason = "position"
	}
	if m.cfg.observe != nil {
		m.cfg.observe(observation{what: "refuse", transport: transportOf(c.kind), other: reason, n: 1})
	}
	if m.over == nil {
		if path != nil && path.conn == c {
			m.removePath(path)
		}
		refuse(c, refusedControl{Reason: reason})
	} else if !c.done { // a POST: the final word is its answer
		c.ctl = appendControl(nil, true, nameClosed, m.closedControl())
		c.path, c.ready, c.empty, c.done, c.why = nil, true, true, true, code
	}
	m.wake = append(m.wake, c)
	m.step(now)
}

// refuse makes a refusal the only answer of a carrier.
func refuse(c *serverConn, r refusedControl) {
	c.ctl = appendControl(nil, true, "refused", r)
	c.path, c.ready, c.empty, c.done, c.why = nil, true, true, true, transport.CodeFault
}
