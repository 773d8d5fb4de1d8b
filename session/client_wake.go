package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

const (
	lateBy   = 5 * time.Second // an input this long after its deadline: the process slept, or its timers did
	wakeFor  = 5 * time.Second // what befalls a path so soon after waking is nobody's fault
	wakeEach = time.Second     // one wake says as much as many
	wakePong = 3 * time.Second // a dead path is found out within that time
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

// woke trusts every path once more, since what it said may wait unread, asks the one in use, and ends the waiting of those who wait.
func (m *clientMachine) woke(now time.Time) {
	if m.over != nil || now.Sub(m.wokeAt) < wakeEach {
		return
	}
	if m.cur != nil && m.asking(m.cur) && now.Before(m.pongBy(m.cur)) { // asked again and again, a dead path would never be found out
		return
	}
	m.wokeAt, m.progress, m.sentAt, m.again = now, now, now, true
	passed := true // no attempt is so young that the next would come too soon
	for _, p := range m.paths {
		if p.state == pathOpening && now.Before(p.heard.Add(m.raceDelay())) {
			passed = false
			continue
		}
		p.heard = now
		p.useBy = m.afresh(p.useBy, now, 2*m.patience())
		p.beaconBy = m.afresh(p.beaconBy, now, m.beaconTime())
	}
	for _, c := range m.conns {
		c.by = m.afresh(c.by, now, m.patience())
	}
	m.closeBy = m.afresh(m.closeBy, now, closeGrace)
	if m.cur != nil {
		m.pingPath(m.cur, now)
	}
	if passed && (m.cur == nil || m.cur.suspect) {
		m.raceNow(now)
	}
}

// afresh gives a deadline that is set at least so long from now.
func (m *clientMachine) afresh(at, now time.Time, wait time.Duration) time.Time {
	if at.IsZero() || at.After(now.Add(wait)) {
		return at
	}
	return now.Add(wait)
}

// raceNow lets the next attempt start, whatever was planned; but what a server said about when to come again stands.
func (m *clientMachine) raceNow(now time.Time) {
	if m.nextWay(now) == nil { // all were tried, and none has opened: they may have begun in another network
		clear(m.race.tried)
		for _, p := range m.paths {
			if len(m.paths) >= maxPaths && p.state == pathOpening {
				m.kill(p, transport.CodeDetached, "no room", now)
				break
			}
		}
	}
	m.race.tries, m.race.at = 0, now
	if m.race.notBefore.After(now) {
		m.race.at = m.race.notBefore
	}
}

// asking: the path has not answered since the client woke.
func (m *clientMachine) asking(p *clientPath) bool { return p.pingI != 0 && p.pingAt.Equal(m.wokeAt) }

// pongBy is when the answer to the ping under way is due.
func (m *clientMachine) pongBy(p *clientPath) time.Time {
	if m.asking(p) {
		return p.pingAt.Add(min(m.patience(), wakePong))
	}
	return p.pingAt.Add(m.patience())
}

// blameless: the path's end says nothing of its transport, since there was no network, or the client slept.
func (m *clientMachine) blameless(p *clientPath, now time.Time) bool {
	return m.offline || !p.born.After(m.wokeAt) && now.Sub(m.wokeAt) < wakeFor
}
