package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// refused acts on a refusal as protocol.md tables it (HF1-ERR-04).
func (m *clientMachine) refused(c *clientConn, r *refusedControl, now time.Time) {
	p := c.path
	m.trace("refused", p, r.Reason)
	wait := time.Duration(0)
	switch r.Reason {
	case "unknown":
		if m.strayed(c) {
			return
		}
		m.lostSession(p, now)
		wait = 1100 * time.Millisecond
	case "auth":
		if m.waitAuth || p.born.Before(m.authAt) { // an open that went out with the old ones: the application was asked already
			clear(m.race.tried)
			break
		}
		if m.reauthed {
			m.finish(ending{code: transport.CodeAuth, reason: "auth"})
			return
		}
		m.reauthed, m.waitAuth = true, true
		clear(m.race.tried) // the transport is not at fault
		m.actions = append(m.actions, action{kind: actAuth})
	case "origin", "policy":
		// A proxy that rewrites Host makes a WebSocket's Origin look foreign; a POST tells it better, and then the session is bound to it.
		if r.Reason == "origin" && p.socket() && (m.run != "" || !m.foreign) {
			m.foreign = true
			p.way.takeRest(now)
			break
		}
		m.finish(ending{code: transport.CodePolicy, reason: r.Reason})
	case "version":
		m.finish(ending{code: transport.CodeVersion, reason: "version"})
	case "position", "malformed":
		m.fault(c, refusedError(r.Reason), now)
		return
	default:
		wait = max(millis(r.Retry), 100*time.Millisecond)
		if r.Retry == 0 {
			wait = 5 * time.Second
		}
		wait += time.Duration(m.cfg.random() * float64(wait) / 2)
	}
	if m.over != nil {
		return
	}
	m.kill(p, transport.CodeDetached, "refused "+r.Reason, now)
	switch {
	case wait == 0:
	case m.sound() == nil:
		m.race.from(now.Add(wait))
		m.race.notBefore = m.race.at
	case r.Reason == "unknown": // this transport leads to another server
		p.way.takeRest(now)
	case p.way.rest.Before(now.Add(wait)):
		p.way.rest = now.Add(wait)
	}
}

// maxStrays is how many POSTs in a row may have gone to another server before their path is given up.
const maxStrays = 4

// strayed: the server of this path knows the session, so a POST that is unknown has reached another one, as it happens behind a balancer
// without stickiness. It is made again.
func (m *clientMachine) strayed(c *clientConn) bool {
	p := c.path
	if p.state != pathOpen || c.kind != transport.KindUp && c.kind != transport.KindPoll || p.strays >= maxStrays {
		return false
	}
	p.strays++
	m.unsaid(c)
	return true
}

// lostSession: unknown ends the session only if no other path lives and it is repeated over more than a second.
func (m *clientMachine) lostSession(p *clientPath, now time.Time) {
	for _, x := range m.paths {
		if x != p && x.state == pathOpen && !x.suspect {
			return
		}
	}
	if m.unknownAt.IsZero() {
		m.unknownAt = now
	} else if now.Sub(m.unknownAt) > time.Second {
		m.finish(ending{code: transport.CodeLost, reason: "unknown"})
	}
}

func refusedError(reason string) error {
	if reason == "position" {
		return &ProtocolError{transport.CodePosition, "refused: position"}
	}
	return &ProtocolError{transport.CodeMalformed, "refused: malformed"}
}
