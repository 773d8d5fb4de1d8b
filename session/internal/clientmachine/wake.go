package clientmachine

import "time"

const (
	lateBy       = 5 * time.Second // an input this long after its deadline: the process slept, or its timers did
	wakeInterval = time.Second     // one wake says as much as many
)

// checkLate looks whether the planned deadline has passed long ago: before the deadlines are
// judged, and before the end of a conn is.
func (m *Machine) checkLate(now time.Time) {
	if at := m.deadline.At(); !at.IsZero() && now.Sub(at) > lateBy {
		m.wakeUp(now)
	}
}

// wakeUp asks the attachment in use for a sign of life, and takes it for dead unless the answer
// comes before another is attached beside it (HF1-LIV-14).
func (m *Machine) wakeUp(now time.Time) {
	if m.closing.over != nil || now.Sub(m.wake.at) < wakeInterval {
		return
	}
	m.wake.at, m.again = now, true
	if !m.closing.by.IsZero() {
		m.closing.by = now.Add(closeTimeout)
	}
	m.race.tries, m.auth.retried = 0, false
	if !m.auth.askAt.IsZero() {
		m.auth.askAt = now
	}
	at := now
	switch a := m.selection.current; {
	case a == nil:
		at = latest(now, m.race.notBefore)
	case !a.standing.suspect:
		at = now.Add(m.attemptDelay())
	}
	m.race.restart(at)
	if a := m.selection.current; a != nil {
		a.standing.suspect = true
		m.ping(a, now)
	}
}

// setOnline books whether the platform believes that there is a network. Without one nothing that
// fails is a transport's fault (HF1-LIV-15).
func (m *Machine) setOnline(on bool, now time.Time) {
	m.wake.offline = !on
	if on {
		m.wakeUp(now)
	}
}
