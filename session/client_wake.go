package session

import "time"

const (
	lateBy   = 5 * time.Second // an input this long after its deadline: the process slept, or its timers did
	wakeFor  = 5 * time.Second // what befalls a path so soon after waking is nobody's fault
	wakeEach = time.Second     // one wake says as much as many
)

// wake tells that the process, the page or the network has come back: what is dead is to be found now, not at the next deadline (HF1-LIV-14).
func (m *clientMachine) wake(now time.Time) {
	m.woke(now)
	m.step(now)
}

// online tells whether the platform believes that there is a network. Without one nothing that fails is a transport's fault (HF1-LIV-15).
func (m *clientMachine) online(on bool, now time.Time) {
	m.offline = !on
	if on {
		m.woke(now)
	}
	m.step(now)
}

// late looks whether the planned deadline has passed long ago: before the deadlines are judged, and before a path's end is.
func (m *clientMachine) late(now time.Time) {
	if !m.deadline.IsZero() && now.Sub(m.deadline) > lateBy {
		m.woke(now)
	}
}

// woke asks the path in use, and takes it for dead unless the answer comes before another is attached beside it.
func (m *clientMachine) woke(now time.Time) {
	if m.over != nil || now.Sub(m.wokeAt) < wakeEach {
		return
	}
	m.wokeAt, m.again = now, true
	if !m.closeBy.IsZero() {
		m.closeBy = now.Add(closeGrace)
	}
	m.race.tries = 0
	at := now
	switch p := m.cur; {
	case p == nil:
		at = latest(now, m.race.notBefore)
	case !p.suspect:
		at = now.Add(m.raceDelay())
	}
	m.race.from(at)
	if m.cur != nil {
		m.cur.suspect = true
		m.pingPath(m.cur, now)
	}
}

// blameless: the path's end says nothing of its transport, since there was no network, or the client slept.
func (m *clientMachine) blameless(p *clientPath, now time.Time) bool {
	return m.offline || p.born.Before(m.wokeAt) && now.Sub(m.wokeAt) < wakeFor
}
