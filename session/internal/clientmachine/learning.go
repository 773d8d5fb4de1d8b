package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// What ends attachments is learned from how they end. One end is chance; two alike are a rule of
// the network's. See docs/decisions/0005.

const (
	// wakeGrace: what becomes of an attachment so soon after waking says nothing of its transport.
	wakeGrace    = 5 * time.Second
	minIdle      = 2 * time.Second  // a shorter silence ends no attachment
	minAge       = 12 * time.Second // one that ends younger is taken for bad, not for old
	minPollAge   = 3 * time.Second  // a poll that fails sooner did not hang for too long
	minHold      = 5 * time.Second
	idleAgree    = 4  // two silences that differ by less than a quarter are alike
	ageAgree     = 10 // two ages that differ by less than a tenth are alike
	holdFraction = 7  // tenths of a hold that failed
)

// learnFromClose learns from the end of an attachment that was open, and tells whether that is a
// new thing to know. visible: its conn has ended; else the client no longer believes in it.
func (m *Machine) learnFromClose(a *attachment, visible bool, now time.Time) bool {
	early := a.openedAt.IsZero() || !a.stream.beaconsBy.IsZero()
	if early || a.standing.penalized || a.isPoll() || m.exempt(a, now) {
		return false
	}
	t, silence, end := a.transport, a.silence.longest, a.silence.lastReceived
	if visible {
		silence, end = max(silence, now.Sub(a.silence.lastByte())), now
	} else if silence == 0 { // nobody was asked
		return false
	}
	before := t.lastSilence
	t.lastSilence = silence
	if silence >= minIdle && silence > a.silence.maxSurvived { // a silence that it survived before did not end it
		return agree(silence, before, idleAgree) && lower(&t.idle, min(silence, before)) // HF1-LIV-16
	}
	age := end.Sub(a.openedAt)
	if age < minAge {
		return false
	}
	before = t.ageAtClose
	t.ageAtClose = age
	return agree(age, before, ageAgree) && lower(&t.age, min(age, before)) // HF1-LIV-17
}

// agree: a is within a part-th of b.
func agree(a, b time.Duration, part time.Duration) bool { return b > 0 && max(a-b, b-a) <= b/part }

// lower keeps the lower one, and tells whether it is new.
func lower(known *time.Duration, d time.Duration) bool {
	if *known > 0 && d >= *known {
		return false
	}
	*known = d
	return true
}

// holdOf is how long a poll may hang: as long as the server says, or as is known to work.
func (m *Machine) holdOf(t *transportState) time.Duration {
	if t.hold > 0 {
		return min(m.server.hold, max(t.hold, minHold))
	}
	return m.server.hold
}

// holdFailed learns from a poll that failed how long the next may hang, and tells whether that
// explains the failure (HF1-POL-08).
func (m *Machine) holdFailed(c *conn, now time.Time) bool {
	t, lasted := c.attachment.transport, now.Sub(c.born)
	if c.kind != transport.KindPoll || lasted < minPollAge || m.exempt(c.attachment, now) {
		return false
	}
	hold := m.holdOf(t)
	return lower(&t.hold, max(min(lasted, hold)*holdFraction/10, minHold)) && lasted < hold
}

// noteWorking: what works is the best once it is validated, and shows that what did not open is at
// fault itself.
func (m *Machine) noteWorking(a *attachment, now time.Time) {
	if a.standing.validated && !a.standing.penalized {
		m.learning.best = a.transport
	}
	for _, t := range m.transports {
		if t.failed && t != a.transport {
			t.startCooldown(now)
		}
	}
}

// penalize books the end of an attachment on its transport (HF1-LIV-09).
func (m *Machine) penalize(a *attachment, now time.Time) {
	t, healthy := a.transport, m.healthy()
	switch {
	case a.standing.penalized || m.exempt(a, now):
	case a.state == opening: // if the same transport is in use it does open, if not this time
		t.failed = healthy == nil || healthy.transport != t
	case a.standing.validated:
		if t.cooldowns > 0 && now.Before(a.openedAt.Add(probation)) { // HF1-LIV-13: it came back too soon
			t.startCooldown(now)
		}
	default:
		if t.earlyFailures++; t.earlyFailures >= 2 {
			t.startCooldown(now)
		}
	}
}

// exempt: the end of an attachment says nothing of its transport, since there was no network, or
// the client slept.
func (m *Machine) exempt(a *attachment, now time.Time) bool {
	return m.wake.offline || a.born.Before(m.wake.at) && now.Sub(m.wake.at) < wakeGrace
}
