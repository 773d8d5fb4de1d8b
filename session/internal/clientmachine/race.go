package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// connect keeps attempts going while the session has no good attachment: none at all, or one that
// may be dead (HF1-LIV-10).
func (m *Machine) connect(now time.Time) {
	if m.auth.waiting || m.healthy() != nil {
		return
	}
	if a := m.bestStandby(); a != nil {
		m.selectStandby(a, now)
		return
	}
	isOpening := m.isOpening()
	if !isOpening && m.race.at.IsZero() {
		m.race.at = now
	}
	if !m.due(now, m.race.at) {
		return
	}
	switch t := m.nextTransport(now); {
	case t != nil:
		u := uint64(0)
		if m.selection.current == nil {
			u = m.nextU()
		}
		m.attach(t, u, now)
		m.race.at = now.Add(m.attemptDelay())
	case isOpening: // wait for what is in flight; when it fails the next one starts at once
		m.race.at = now.Add(m.attemptTimeout())
	default:
		m.allFailed(now)
	}
	if m.closing.over == nil {
		m.due(now, m.race.at)
	}
}

// allFailed: every transport was tried and failed.
func (m *Machine) allFailed(now time.Time) {
	if m.refusals.originRejected && m.server.run == "" { // no POST could tell better
		m.finish(machine.Ending{Code: transport.CodePolicy, Reason: "origin"})
		return
	}
	m.race.allFailed(now, m.cfg.Random())
	m.auth.retried = false           // what the application gave may be too old when the network is back (HF1-ERR-04)
	for _, t := range m.transports { // the network is away, not the transports
		t.failed = false
	}
}

// bestStandby is the best attachment that stands by; since a wake it must have been heard.
func (m *Machine) bestStandby() *attachment {
	for _, t := range m.transports {
		for _, a := range m.attachments.list {
			standsBy := a != m.selection.current && a.state == open && !a.standing.suspect
			if a.transport == t && standsBy && !a.silence.lastReceived.Before(m.wake.at) {
				return a
			}
		}
	}
	return nil
}

// selectStandby selects an attachment that stands by in place of one that has gone or may be dead.
// Opens that carry the last u have the delay of a race to be answered; then they are given up, so
// that a selection may be made (HF1-SEL-07). So is an attachment whose use was never answered.
func (m *Machine) selectStandby(a *attachment, now time.Time) {
	for i := len(m.attachments.list) - 1; i >= 0 && m.selection.current == nil && !m.maySelect(); i-- {
		x := m.attachments.list[i]
		lastU := x.state == opening && x.u == m.selection.u
		if lastU && m.due(now, x.silence.lastReceived.Add(m.attemptDelay())) {
			m.endAttachment(x, transport.CodeDetached, "left", now)
		}
	}
	if !m.use(a, now) && m.selection.current != nil {
		m.endAttachment(m.selection.current, transport.CodeIdle, "use unanswered", now)
		m.connect(now)
	}
}

// nextTransport is the best transport that this race has not tried and that does not cool down, the
// one that last proved itself before all. When all cool down, it is the one whose cooldown ends
// first, unless something is in flight that may yet open: a request may have gone out on a
// connection that died without a sign.
func (m *Machine) nextTransport(now time.Time) *transportState {
	if t := m.learning.best; t != nil && !m.race.tried[t] && !t.coolingDown(now) {
		return t
	}
	var first *transportState
	for _, t := range m.transports {
		switch {
		case m.race.tried[t]:
			continue
		case !t.coolingDown(now):
			return t
		case first == nil || t.cooldownUntil.Before(first.cooldownUntil):
			first = t
		}
	}
	for _, a := range m.attachments.list {
		if a.state == opening && now.Before(a.born.Add(m.attemptTimeout())) {
			return nil
		}
	}
	return first
}

// beaconTimeout is how long after opened both beacons of a stream have come, if it is not held back
// (HF1-SSE-03).
func (m *Machine) beaconTimeout() time.Duration { return time.Second + 2*m.liveness.rtt }

// opened: the attachment can carry, down at least.
func (m *Machine) opened(c *conn, o *wire.Opened, now time.Time) {
	a := c.attachment
	if a.state != opening {
		return
	}
	first := m.server.run == ""
	m.wake.offline = false // whatever the platform believes
	m.noteServer(o)
	a.state, a.challenge, a.openedAt, a.pos = open, o.Challenge, now, m.out.SendFrom(o.Recv)
	m.attachments.confirmedPosition = max(m.attachments.confirmedPosition, a.pos)
	m.refusals.unknownAt, m.auth.retried = time.Time{}, false
	if a.isStream() {
		a.stream.beaconsBy = now.Add(m.beaconTimeout())
	}
	if c.kind == transport.KindOpen {
		m.forget(c)
	}
	a.transport.failed = false
	if m.healthy() == nil { // the network may be another one (HF1-LIV-06)
		l := &m.liveness
		l.rtt, l.guessedTimeout = clamp(now.Sub(a.born)/2, l.rtt, maxRTT), max(l.guessedTimeout, 1)
	}
	m.trace(Opened, a, "")
	m.confirm(o.Sel, now)
	m.ping(a, now) // repeats the run (HF1-WHO-10) and measures the round trip
	if first {
		m.liveness.progress = now
	}
}

// noteServer takes what opened says of the server, within the bounds of docs/protocol.md.
func (m *Machine) noteServer(o *wire.Opened) {
	const low, high = 5 * time.Second, 25 * time.Second
	m.server = serverInfo{
		run: o.Run, id: o.ID, window: int64(max(o.Win, 1)),
		maxBatch: machine.PeerMaxBatch(o.Lim.MaxBatch), maxMessage: int(o.Lim.MaxMessage),
		ping: clamp(wire.Duration(o.Ping), low, high), hold: clamp(wire.Duration(o.Hold), low, high),
	}
}
