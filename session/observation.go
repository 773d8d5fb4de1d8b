package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
)

// ObservationKind says what an [Observation] tells.
type ObservationKind uint8

// The kinds of observations.
const (
	// ObservedAttach: an attachment was opened. Outcome is new, resumed or retried.
	ObservedAttach = ObservationKind(servermachine.Attached)
	// ObservedSelect: another attachment carries the session. From names the transport before.
	ObservedSelect = ObservationKind(servermachine.Selected)
	// ObservedRefuse: a batch was refused. Reason says why.
	ObservedRefuse = ObservationKind(servermachine.Refused)
	// ObservedDetach: the server has ended an attachment.
	ObservedDetach = ObservationKind(servermachine.Detached)
	// ObservedReplay: Count lines were sent again.
	ObservedReplay = ObservationKind(servermachine.Replayed)
	// ObservedRTT: a round trip was measured.
	ObservedRTT = ObservationKind(servermachine.Measured)
	// ObservedUp, ObservedDown: a message came from the client, or was sent to it.
	ObservedUp   = ObservedRTT + 1
	ObservedDown = ObservedRTT + 2
)

var observationNames = [...]string{"", "attach", "select", "refuse", "detach", "replay", "rtt", "up", "down"}

// String names the kind, for logs.
func (k ObservationKind) String() string {
	if int(k) < len(observationNames) {
		return observationNames[k]
	}
	return ""
}

// Observation is one fact for metrics.
type Observation struct {
	Kind ObservationKind
	// Transport is the transport concerned, "" for messages.
	Transport string
	// Outcome is that of an attach.
	Outcome string
	// From is the transport that carried the session before, "none" if none did.
	From string
	// Reason is that of a refusal.
	Reason string
	// Count counts messages or lines.
	Count int
	// RTT is a round trip.
	RTT time.Duration
}

func observationOf(o servermachine.Observation) Observation {
	return Observation{
		Kind: ObservationKind(o.Kind), Transport: o.Transport, Outcome: o.Outcome, From: o.From,
		Reason: o.Reason, Count: o.Count, RTT: o.RTT,
	}
}
