package clientmachine

import (
	"math"
	"time"
)

// restart starts the race over at that time. The zero time: none is planned, an attachment is in
// use.
func (r *race) restart(at time.Time) {
	r.at = at
	clear(r.tried)
}

// noteTried books that this race has tried a transport.
func (r *race) noteTried(t *transportState) {
	if r.tried == nil {
		r.tried = map[*transportState]bool{}
	}
	r.tried[t] = true
}

// lost: the attachment in use has ended. The first attempt is immediate; those after attachments
// that ended without use wait ever longer.
func (r *race) lost(now time.Time, random float64) {
	at := now
	if r.tries > 0 {
		at = now.Add(r.backoff(random))
	}
	r.tries++
	r.restart(at)
}

// allFailed: every transport was tried and failed. All are tried again after a back-off.
func (r *race) allFailed(now time.Time, random float64) {
	r.tries++
	r.restart(now.Add(r.backoff(random)))
}

// backoff is a random time in 0 … min(30 s, 0.5 s × 2^tries).
func (r *race) backoff(random float64) time.Duration {
	seconds := math.Min(30, 0.5*math.Pow(2, float64(min(r.tries, 10))))
	return time.Duration(seconds * random * float64(time.Second))
}

const (
	minResponseTimeout = 2 * time.Second
	maxResponseTimeout = 10 * time.Second // but for four round trips
	maxRTT             = 5 * time.Second  // longer ones are a host's that was suspended, or no network for a session
)

// attemptTimeout is how long an attempt may take before it hangs.
func (m *Machine) attemptTimeout() time.Duration { return max(minResponseTimeout, 4*m.liveness.rtt) }

// responseTimeout is how long lines may go without any sign that they arrive.
func (m *Machine) responseTimeout() time.Duration {
	return max(m.attemptTimeout(), m.liveness.guessedTimeout)
}

// growTimeout: nothing was answered in time, so wait three times as long until the round trip is
// measured anew (HF1-LIV-06).
func (m *Machine) growTimeout() {
	m.liveness.guessedTimeout = min(3*m.responseTimeout(), maxResponseTimeout)
}

// attemptDelay is the head start of an attempt before the next one (HF1-LIV-10).
func (m *Machine) attemptDelay() time.Duration {
	return clamp(2*m.liveness.rtt, 250*time.Millisecond, time.Second)
}
