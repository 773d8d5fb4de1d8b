package session

import (
	"math"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// raceState is the state of connecting: which transports were tried, and when the next may start (HF1-LIV-10, HF1-LIV-12).
type raceState struct {
	at    time.Time // start the next attempt then; zero: nothing is planned
	tried map[*clientWay]bool
	tries int // whole races lost in a row

	notBefore time.Time // a server said so
}

// lost: the path in use has died. The first attempt is immediate; paths that die without use are tried ever more slowly.
func (r *raceState) lost(now time.Time, random float64) {
	at := now
	if r.tries > 0 {
		at = now.Add(r.wait(random))
	}
	r.tries++
	r.from(at)
}

// from starts the race over at that time.
func (r *raceState) from(at time.Time) {
	r.at = at
	clear(r.tried)
}

// wait is a random time in 0 … min(30 s, 0.5 s × 2^tries).
func (r *raceState) wait(random float64) time.Duration {
	return time.Duration(math.Min(30, 0.5*math.Pow(2, float64(min(r.tries, 10)))) * random * float64(time.Second))
}

// won: a path is in use again.
func (r *raceState) won() { r.from(time.Time{}) }

// connect keeps attempts going while the session has no good path: none at all, or one that may be dead (HF1-LIV-10).
func (m *clientMachine) connect(now time.Time) {
	if m.waitAuth || m.sound() != nil {
		return
	}
	if p := m.bestOpen(); p != nil {
		m.reuse(p, now)
		return
	}
	opening := m.isOpening()
	if !opening && m.race.at.IsZero() {
		m.race.at = now
	}
	if !m.due(now, m.race.at) {
		return
	}
	switch way := m.nextWay(now); {
	case way != nil:
		u := uint64(0)
		if m.cur == nil {
			u = m.raceU()
		}
		m.attach(way, u, now)
		m.race.at = now.Add(m.raceDelay())
		m.due(now, m.race.at)
	case opening:
		m.race.at = now.Add(m.hangs()) // wait for what is under way; when it fails the next one starts at once
		m.due(now, m.race.at)
	default:
		m.lostRace(now)
	}
}

func (m *clientMachine) isOpening() bool {
	return slices.ContainsFunc(m.paths, func(p *clientPath) bool { return p.state == pathOpening })
}

// raceDelay is the head start of an attempt before the next one (HF1-LIV-10).
func (m *clientMachine) raceDelay() time.Duration {
	return clamp(2*m.rtt, 250*time.Millisecond, time.Second)
}

// raceU is the u of the next open: racing opens share one (HF1-SEL-02), and there is one selection at a time (HF1-SEL-07).
func (m *clientMachine) raceU() uint64 {
	for _, p := range m.paths {
		if p.state == pathOpening && p.u == m.u && p.u != 0 {
			return m.u
		}
	}
	if m.mayRaise() {
		m.u++
	}
	return m.u
}

// mayRaise: the last u was confirmed, or every path it went out on was given up (HF1-SEL-07).
func (m *clientMachine) mayRaise() bool {
	if m.heard >= m.u {
		return true
	}
	for _, p := range m.paths {
		if !p.useBy.IsZero() || p.state == pathOpening && p.u == m.u {
			return false
		}
	}
	return true
}

// reuse selects a path that stands by in place of one that has gone or may be dead. Opens that carry the last u have the delay of a race to be
// answered; then they are given up, so that a selection may be made (HF1-SEL-07). So is a path whose use was never answered.
func (m *clientMachine) reuse(p *clientPath, now time.Time) {
	for i := len(m.paths) - 1; i >= 0 && m.cur == nil && !m.mayRaise(); i-- {
		if q := m.paths[i]; q.state == pathOpening && q.u == m.u && m.due(now, q.heard.Add(m.raceDelay())) {
			m.kill(q, transport.CodeDetached, "left", now)
		}
	}
	if !m.use(p, now) && m.cur != nil {
		m.kill(m.cur, transport.CodeIdle, "use unanswered", now)
		m.connect(now)
	}
}

// bestOpen is the best path that stands by; since a wake it must have been heard.
func (m *clientMachine) bestOpen() *clientPath {
	for _, w := range m.ways {
		for _, p := range m.paths {
			if p.way == w && p != m.cur && p.state == pathOpen && !p.suspect && !p.heard.Before(m.wokeAt) {
				return p
			}
		}
	}
	return nil
}

// nextWay is the best transport that this race has not tried and that does not rest, the one that last proved itself before all; when all
// rest, the one whose rest ends first, unless something is under way that may yet open: a request may have gone out on a connection that
// died without a sign.
func (m *clientMachine) nextWay(now time.Time) *clientWay {
	if w := m.best; w != nil && !m.race.tried[w] && !w.resting(now) {
		return w
	}
	var rested *clientWay
	for _, w := range m.ways {
		switch {
		case m.race.tried[w]:
			continue
		case !w.resting(now):
			return w
		case rested == nil || w.rest.Before(rested.rest):
			rested = w
		}
	}
	for _, p := range m.paths {
		if p.state == pathOpening && now.Before(p.born.Add(m.hangs())) {
			return nil
		}
	}
	return rested
}

// lostRace: every transport was tried and failed. Wait with full jitter, then try all again.
func (m *clientMachine) lostRace(now time.Time) {
	if m.foreign && m.run == "" { // no POST could tell better
		m.finish(ending{code: transport.CodePolicy, reason: "origin"})
		return
	}
	m.race.tries++
	m.race.from(now.Add(m.race.wait(m.cfg.random())))
	for _, w := range m.ways { // the network is away, not the transports
		w.failed = false
	}
	m.due(now, m.race.at)
}

const maxPaths = 4

// attach opens a new attachment (HF1-ATT-01). Room is made by the oldest that is not in use, as at the server (HF1-ATT-04).
func (m *clientMachine) attach(w *clientWay, u uint64, now time.Time) {
	if len(m.paths) >= maxPaths {
		m.kill(m.paths[slices.IndexFunc(m.paths, func(p *clientPath) bool { return p != m.cur })], transport.CodeDetached, "left", now)
	}
	if m.race.tried == nil {
		m.race.tried = map[*clientWay]bool{}
	}
	m.race.tried[w], m.again = true, true
	m.atts++
	p := &clientPath{att: m.atts, way: w, u: u, born: now, heard: now}
	m.paths = append(m.paths, p)
	kind := transport.KindSocket
	switch w.name {
	case transport.SSE:
		kind = transport.KindStream
	case transport.LongPoll:
		kind = transport.KindOpen
	}
	m.trace("attach", p, "")
	p.down = m.dial(p, kind, now, time.Time{})
}

// beaconTime is how long after opened both beacons of a stream have come, if it is live (HF1-SSE-03).
func (m *clientMachine) beaconTime() time.Duration { return time.Second + 2*m.rtt }

// opened: the path can carry, down at least.
func (m *clientMachine) opened(c *clientConn, o *openedControl, now time.Time) {
	p := c.path
	if p.state != pathOpening {
		return
	}
	first := m.run == ""
	m.offline = false // whatever the platform believes
	m.run, m.id, m.win, m.maxBatch = o.Run, o.ID, int64(max(o.Win, 1)), takes(o.Lim)
	m.peerMessage = int(o.Lim.MaxMessage)
	m.ping, m.hold = clamp(millis(o.Ping), 5*time.Second, 25*time.Second), clamp(millis(o.Hold), 5*time.Second, 25*time.Second)
	m.ttl = clamp(millis(o.TTL), 30*time.Second, 24*time.Hour)
	p.state, p.challenge, p.openedAt, p.pos = pathOpen, o.Challenge, now, m.out.from(o.Recv)
	m.known = max(m.known, p.pos)
	m.unknownAt, m.reauthed = time.Time{}, false
	if p.way.name == transport.SSE {
		p.beaconBy = now.Add(m.beaconTime())
	}
	if c.kind == transport.KindOpen {
		m.forget(c)
	}
	p.way.failed = false
	if m.sound() == nil { // the network may be another one (HF1-LIV-06)
		m.rtt, m.slow = clamp(now.Sub(p.born)/2, m.rtt, rttMost), max(m.slow, 1)
	}
	m.trace("opened", p, "")
	m.confirm(o.Sel, now)
	m.pingPath(p, now) // repeats the run (HF1-WHO-10) and measures the round trip
	if first {
		m.progress = now
	}
}
