package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	// unknownWait is how long after a refusal as unknown the next attempt waits; unknownSpan is how
	// long unknown must be repeated before the session is over.
	unknownWait = 1100 * time.Millisecond
	unknownSpan = time.Second
	// defaultRetry is the wait where a refusal names none, minRetry the least.
	defaultRetry = 5 * time.Second
	minRetry     = 100 * time.Millisecond
	// freshAuth is how long credentials count as just given.
	freshAuth = time.Minute
	// maxMisrouted is how many POSTs in a row may have gone to another server before their
	// attachment is given up.
	maxMisrouted = 4
)

// refused acts on a refusal as docs/protocol.md tables it (HF1-ERR-04).
func (m *Machine) refused(c *conn, r *wire.Refused, now time.Time) {
	a := c.attachment
	m.trace(Refused, a, r.Reason)
	wait := time.Duration(0)
	switch r.Reason {
	case "unknown":
		if m.misrouted(c) {
			return
		}
		m.unknown(a, now)
		wait = unknownWait
	case "auth":
		m.authRefused(a, now)
	case "origin", "policy":
		m.originRefused(a, r.Reason, now)
	case "version":
		m.finish(machine.Ending{Code: transport.CodeVersion, Reason: "version"})
	case "position", "malformed":
		m.fault(a, refusedError(r.Reason), now)
		return
	default:
		wait = m.retryAfter(r)
	}
	if m.closing.over == nil {
		m.endAttachment(a, transport.CodeDetached, "refused "+r.Reason, now)
		m.waitAfter(a, r.Reason, wait, now)
	}
}

// retryAfter is how long to wait after a refusal for want of room, jittered.
func (m *Machine) retryAfter(r *wire.Refused) time.Duration {
	wait := defaultRetry
	if r.Retry > 0 {
		wait = max(wire.Duration(r.Retry), minRetry)
	}
	return wait + time.Duration(m.cfg.Random()*float64(wait)/2)
}

// waitAfter has the next attempt wait, or where another attachment carries the session, the
// transport cool down.
func (m *Machine) waitAfter(a *attachment, reason string, wait time.Duration, now time.Time) {
	t := a.transport
	switch {
	case wait == 0:
	case m.healthy() == nil:
		m.race.restart(now.Add(wait))
		m.race.notBefore = m.race.at
	case reason == "unknown": // this transport leads to another server
		t.startCooldown(now)
	case t.cooldownUntil.Before(now.Add(wait)):
		t.cooldownUntil = now.Add(wait)
	}
}

// authRefused asks for fresh credentials (HF1-ERR-04). If those are refused that the application has
// just given in place of others, there is no sense in asking for more. The transport is not at
// fault.
func (m *Machine) authRefused(a *attachment, now time.Time) {
	// An open that went out with the old ones: the application was asked already.
	asked := m.auth.waiting || a.born.Before(m.auth.givenAt)
	if !asked && m.auth.retried && now.Sub(m.auth.givenAt) < freshAuth {
		m.finish(machine.Ending{Code: transport.CodeAuth, Reason: "auth"})
		return
	}
	clear(m.race.tried)
	if !asked {
		m.auth.retried, m.auth.waiting = true, true
		m.emit(Effect{Kind: AskAuth})
	}
}

// authFailed: the application had no credentials. It is asked again, ever more slowly (HF1-LIV-12).
func (m *Machine) authFailed(now time.Time) {
	m.race.tries++
	m.auth.askAt = now.Add(m.race.backoff(m.cfg.Random()))
}

// checkAuth asks for credentials again when it is time to.
func (m *Machine) checkAuth(now time.Time) {
	if m.due(now, m.auth.askAt) {
		m.auth.askAt = time.Time{}
		m.emit(Effect{Kind: AskAuth})
	}
}

// originRefused ends the session, unless a POST may tell better: a proxy that rewrites Host makes a
// WebSocket's Origin look like another's, and a session that was opened by POST is bound to its
// Origin.
func (m *Machine) originRefused(a *attachment, reason string, now time.Time) {
	if reason == "origin" && a.isSocket() && (m.server.run != "" || !m.refusals.originRejected) {
		m.refusals.originRejected = true
		a.transport.startCooldown(now)
		return
	}
	m.finish(machine.Ending{Code: transport.CodePolicy, Reason: reason})
}

// misrouted: the server of this attachment knows the session, so a POST that is unknown has reached
// another one, as it happens behind a balancer without stickiness. It is made again.
func (m *Machine) misrouted(c *conn) bool {
	a := c.attachment
	isPost := c.kind == transport.KindUp || c.kind == transport.KindPoll
	if a.state != open || !isPost || a.posts.misrouted >= maxMisrouted {
		return false
	}
	a.posts.misrouted++
	m.requeue(c)
	return true
}

// unknown ends the session only if no other attachment lives and it is repeated over more than a
// second.
func (m *Machine) unknown(a *attachment, now time.Time) {
	for _, x := range m.attachments.list {
		if x != a && x.state == open && !x.standing.suspect {
			return
		}
	}
	if m.refusals.unknownAt.IsZero() {
		m.refusals.unknownAt = now
	} else if now.Sub(m.refusals.unknownAt) > unknownSpan {
		m.finish(machine.Ending{Code: transport.CodeLost, Reason: "unknown"})
	}
}

func refusedError(reason string) error {
	code := transport.CodeMalformed
	if reason == "position" {
		code = transport.CodePosition
	}
	return &wire.ProtocolError{Code: code, Detail: "refused: " + reason}
}
