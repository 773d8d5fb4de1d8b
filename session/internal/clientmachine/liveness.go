package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	attachTimeout  = 10 * time.Second
	validatedAfter = 10 * time.Second
	minPingDelay   = time.Second
	lateGrace      = time.Second // so long after the server's promise the attachment is pinged
	silentGrace    = 5 * time.Second
	// silentActive is how long an active attachment may say nothing: the server's ping every 5 s
	// and three quarters of a second.
	silentActive = 5750 * time.Millisecond
)

// judgeAttachment looks at one attachment.
func (m *Machine) judgeAttachment(a *attachment, now time.Time) {
	if a.state == opening {
		if m.due(now, a.silence.lastReceived.Add(attachTimeout)) {
			m.endAttachment(a, transport.CodeIdle, m.whyUnopened(a), now)
		}
		return
	}
	m.validate(a, now)
	m.judgeBeacons(a, now)
	if !a.use.by.IsZero() && m.due(now, a.use.againAt) {
		m.sendUse(a, now)
	}
	if m.due(now, a.use.by) { // a use asks for an answer as a ping does (HF1-LIV-04)
		m.pingUnanswered(a, "use unanswered", now)
	}
	m.maybePing(a, now)
	if !a.isPoll() && !a.standing.suspect && m.due(now, m.silentAt(a, now)) { // HF1-LIV-05
		m.markSuspect(a, "silent", now)
	}
}

// whyUnopened tells why an attempt is given up: a stream of which nothing comes beside an
// attachment in use is held back whole (HF1-SSE-08).
func (m *Machine) whyUnopened(a *attachment) string {
	if a.isStream() && m.selection.current != nil {
		return "held"
	}
	return "no answer"
}

// validate tells an attachment that has proved itself by survival (HF1-LIV-09).
func (m *Machine) validate(a *attachment, now time.Time) {
	s := &a.standing
	ready := a.ping.pongs > 0 && a.stream.beaconsBy.IsZero() && !s.suspect
	if !s.validated && ready && m.due(now, a.openedAt.Add(validatedAfter)) {
		if a == m.selection.current || a.ping.pongs > 1 {
			s.validated, m.again = true, true
			m.race.tries = 0
			a.transport.validated()
			m.trace(Validated, a, "")
		} else if a.ping.i == 0 { // one that stands by proves that it still answers
			m.ping(a, now)
		}
	}
	if s.validated && !s.suspect && a.transport.cooldowns > 0 && m.due(now, a.openedAt.Add(probation)) { // HF1-LIV-13
		a.transport.cooldowns = 0
	}
}

// judgeBeacons finds a stream that is held back (HF1-SSE-03): its first bytes passed, and no more
// until a buffer fills, or each event comes with the next (HF1-SSE-08).
func (m *Machine) judgeBeacons(a *attachment, now time.Time) {
	if !m.due(now, a.stream.beaconsBy) || a.standing.suspect {
		return
	}
	if !m.exempt(a, now) {
		a.transport.startCooldown(now)
	}
	reason := "one-behind"
	if a.stream.beacons == 0 {
		reason = "threshold"
	}
	m.markSuspect(a, reason, now)
}

// maybePing pings an attachment before it has been silent for so long that it would die, and the
// one in use when the server is late or nothing moves. Without an answer the one in use is suspect;
// an ack is as good an answer as a pong (HF1-LIV-04).
func (m *Machine) maybePing(a *attachment, now time.Time) {
	if a.standing.suspect {
		return
	}
	inUse := a == m.selection.current
	if a.ping.i != 0 {
		if inUse && m.due(now, latest(a.ping.at, m.liveness.progress).Add(m.responseTimeout())) {
			m.noPong(a, now)
		}
		return
	}
	if m.due(now, m.pingAt(a, inUse, now)) {
		m.ping(a, now)
		m.again = true
	}
}

// pingAt is when an attachment is to be pinged; the zero time: never.
func (m *Machine) pingAt(a *attachment, inUse bool, now time.Time) (at time.Time) {
	by := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if inUse && m.out.Acked() < m.out.Last() {
		by(m.liveness.progress.Add(m.responseTimeout()))
	}
	if a.isPoll() || !a.drainUntil.IsZero() {
		return at
	}
	if inUse && !m.isActive(now) { // HF1-LIV-18; while lines come and go silence alone is enough
		by(a.silence.lastReceived.Add(m.server.ping + lateGrace))
	}
	if idle := a.transport.idle; idle > 0 { // HF1-LIV-16
		by(a.silence.lastByte().Add(max(idle/2, minPingDelay)))
	}
	return at
}

// noPong judges an attachment in use that has not answered a ping.
func (m *Machine) noPong(a *attachment, now time.Time) {
	if a.posts.failures > 0 && a.heardSince(a.ping.at) {
		m.uplinkDead(a, a.ping.at, "no pong", now)
	} else {
		m.pingUnanswered(a, "no pong", now)
	}
}

// silentAt is when an attachment has said nothing for longer than the server promised. It promised
// more when lines began to come or go.
func (m *Machine) silentAt(a *attachment, now time.Time) time.Time {
	last := a.silence.lastReceived
	if a != m.selection.current || !m.isActive(now) {
		return last.Add(m.server.ping*3/2 + silentGrace)
	}
	return latest(last, m.liveness.activeSince).Add(silentActive)
}

// ponged closes a round trip.
func (m *Machine) ponged(a *attachment, i uint64, now time.Time) {
	if a.ping.i == 0 || i != a.ping.i {
		return
	}
	rtt := clamp(now.Sub(a.ping.at), time.Millisecond, maxRTT)
	tooLittleTime := 4*rtt > m.responseTimeout()
	for _, t := range m.transports {
		t.limit.Measured(tooLittleTime)
	}
	l := &m.liveness
	if l.guessedTimeout > 0 {
		l.rtt, l.guessedTimeout = rtt, 0
	} else {
		l.rtt = (7*l.rtt + rtt) / 8
	}
	a.ping = pingState{pongs: a.ping.pongs + 1}
	a.posts.failures = 0 // what was posted has arrived, if not its answer
	if a != m.selection.current {
		return
	}
	l.progress = now
	if a.stream.beaconsBy.IsZero() {
		a.standing.suspect = false
	}
}

// checkMissingLines: a reply has said that the server sent more than has come.
func (m *Machine) checkMissingLines(a *attachment, now time.Time) {
	l, received := &m.liveness, m.in.Received()
	if l.sentDown <= received || !m.due(now, l.sentDownAt.Add(m.responseTimeout())) {
		return
	}
	l.sentDown = received
	if a.isPoll() {
		m.abandonPoll(a)
	} else {
		m.markSuspect(a, "lines missing", now)
	}
}

// isActive: log lines came or went lately, so the server pings more often.
func (m *Machine) isActive(now time.Time) bool {
	return !m.liveness.lastLog.IsZero() && now.Sub(m.liveness.lastLog) < machine.ActivityTTL
}

// noteActive books that log lines come or go.
func (m *Machine) noteActive(now time.Time) {
	if !m.isActive(now) {
		m.liveness.activeSince = now
	}
	m.liveness.lastLog = now
}
