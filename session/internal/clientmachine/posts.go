package clientmachine

import (
	"errors"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = 2 * time.Second
	// maxFailures is how many POSTs in a row may fail; maxBusy, how many of them by an answer that
	// says that it is too much.
	maxFailures = 1
	maxBusy     = 4
)

// errNoAnswer is the failure of a POST whose time has passed.
var errNoAnswer = errors.New("no answer")

// postFailed: one failure may be chance, and the request is made again with the same numbers
// (HF1-POL-05); two in a row end the attachment. Whoever says that it is too much is asked less
// often, and no less at a time, which would only make more requests (HF1-POL-09).
func (m *Machine) postFailed(c *conn, fault error, now time.Time) {
	a := c.attachment
	m.requeue(c)
	limit := maxFailures
	switch {
	case isBusy(fault):
		limit = maxBusy
		a.posts.pause = clamp(2*a.posts.pause, minPause, maxPause)
		a.posts.notBefore = now.Add(a.posts.pause)
	case errors.Is(fault, errNoAnswer):
		a.transport.limit.Lost(&a.inFlight)
	default:
		a.transport.limit.Refused(&a.inFlight)
	}
	if m.holdFailed(c, now) {
		return
	}
	if a.posts.failures++; a.posts.failures > limit {
		m.uplinkDead(a, c.born, reasonOf(fault), now)
	}
}

// isBusy: whoever has answered allows no more requests at the moment.
func isBusy(fault error) bool {
	var status *transport.StatusError
	return errors.As(fault, &status) && status.Busy()
}

// postAnswered: a POST was answered, so the next may follow sooner.
func (p *postState) postAnswered(now time.Time) {
	p.failures = 0
	p.pause = (p.pause / 2).Truncate(time.Millisecond)
	p.notBefore = now.Add(p.pause)
}

// mayPost: no POST was refused, or long enough ago (HF1-POL-09).
func (m *Machine) mayPost(a *attachment, now time.Time) bool {
	return a.posts.pause == 0 || m.due(now, a.posts.notBefore)
}

// judgePosts gives up the POSTs whose time has passed (HF1-LIV-06).
func (m *Machine) judgePosts(now time.Time) {
	for i := len(m.attachments.conns) - 1; i >= 0; i-- {
		if c := m.attachments.conns[i]; m.due(now, c.by) {
			m.hangUp(c, transport.CodeIdle)
			m.abandonPoll(c.attachment)
			m.postFailed(c, errNoAnswer, now)
			i = min(i, len(m.attachments.conns)) // the end of one may have ended others
		}
	}
}

// reasonOf tells why a conn ended.
func reasonOf(fault error) string {
	if fault == nil {
		return "ended"
	}
	return fault.Error()
}
