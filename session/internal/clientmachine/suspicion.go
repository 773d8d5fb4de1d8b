package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// markSuspect takes an attachment for perhaps dead: if it is the one in use another is opened
// beside it, else it is dropped.
func (m *Machine) markSuspect(a *attachment, reason string, now time.Time) {
	if a.standing.suspect {
		return
	}
	m.trace(Suspect, a, reason)
	a.standing.penalized = m.learnFromClose(a, false, now) || a.standing.penalized
	if a != m.selection.current {
		m.endAttachment(a, transport.CodeIdle, reason, now)
		return
	}
	a.standing.suspect, m.again = true, true
	if !a.standing.penalized {
		m.penalize(a, now)
		a.transport.limit.Lost(&a.inFlight)
		a.standing.penalized = true // booked: its end is not booked twice
	}
	m.race.restart(now)
}

// pingUnanswered: an attachment that did not answer may be dead, or slower than was thought.
func (m *Machine) pingUnanswered(a *attachment, reason string, now time.Time) {
	if !a.standing.suspect {
		m.growTimeout()
	}
	m.markSuspect(a, reason, now)
}

// move leaves an attachment before it fails: another is attached beside it and selected when it is
// open. No pong keeps the old one.
func (m *Machine) move(a *attachment, reason string, now time.Time) {
	a.standing.penalized, a.ping.i = true, 0 // nothing is wrong with it
	m.markSuspect(a, reason, now)
}

// heardSince: the stream was heard after what was asked by POST then, and was not answered.
func (a *attachment) heardSince(asked time.Time) bool {
	return a.isStream() && a.silence.lastReceived.After(asked)
}

// uplinkDead gives up an attachment whose POSTs are not answered. A stream that was heard since is
// not dead: the POSTs may be waiting for the very connection that it holds, so it goes at once, and
// its transport cools down (HF1-SSE-09). Or all answers take that long here, and the next
// attachment gives them more time (HF1-LIV-06).
func (m *Machine) uplinkDead(a *attachment, asked time.Time, reason string, now time.Time) {
	if now.Sub(asked) >= m.responseTimeout() && !a.standing.suspect {
		m.growTimeout()
	}
	code := transport.CodeFault
	if a.heardSince(asked) {
		a.transport.startCooldown(now)
		code = transport.CodeDetached
	}
	m.endAttachment(a, code, reason, now)
}
