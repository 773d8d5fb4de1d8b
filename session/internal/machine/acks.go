package machine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/transport"
)

// How long an ack waits for a batch that it can ride on, before it goes alone (HF1-NUM-11).
const (
	ackDelaySocket = 100 * time.Millisecond
	ackDelayHTTP   = 250 * time.Millisecond
)

// AckTimer plans the ack that goes alone (HF1-NUM-11). The zero value plans none.
type AckTimer struct{ at time.Time }

// Plan sets the time for the ack that is owed, if one is. kind is of the attachment in use.
func (t *AckTimer) Plan(in *logs.ReceiveLog, window int64, kind transport.Kind, now time.Time) {
	switch {
	case !in.AckOwed():
		t.at = time.Time{}
	case in.AckDue(window):
		t.at = now
	case t.at.IsZero() && kind == transport.KindSocket:
		t.at = now.Add(ackDelaySocket)
	case t.at.IsZero():
		t.at = now.Add(ackDelayHTTP)
	}
}

// At is when the ack goes alone; the zero time if none is planned.
func (t *AckTimer) At() time.Time { return t.at }

// IsDue tells whether the ack is to go now.
func (t *AckTimer) IsDue(now time.Time) bool { return !t.at.IsZero() && !now.Before(t.at) }

// Stop forgets the plan: the ack went with a batch, or nothing can carry it.
func (t *AckTimer) Stop() { t.at = time.Time{} }

// SendNow has the ack sent again at once.
func (t *AckTimer) SendNow(in *logs.ReceiveLog, now time.Time) {
	in.ForgetAckSent()
	t.at = now
}
