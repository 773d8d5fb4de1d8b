package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
)

// transportState is what the client knows of one transport.
type transportState struct {
	name          string
	rank          int       // 0 is the best
	earlyFailures int       // attachments that ended before they were validated, in a row
	failed        bool      // it did not open; penalized once another transport does
	cooldowns     int       // so far, each twice as long; while there are any the transport is on probation
	cooldownUntil time.Time // not before then, unless nothing else is left (HF1-LIV-09)
	limit         logs.BatchLimit

	lastSilence time.Duration // before the last close
	ageAtClose  time.Duration // at the last close that silence does not explain
	idle        time.Duration // attachments end when they are silent for so long; 0: not known
	age         time.Duration // attachments end when they are so old; 0: not known
	hold        time.Duration // polls that hang for longer fail; 0: not known
}

const (
	firstCooldown = 20 * time.Second
	maxCooldown   = 10 * time.Minute
	// probation is how old an attachment must get before the cooldowns of its transport are
	// forgotten (HF1-LIV-13).
	probation = 60 * time.Second
)

func (t *transportState) startCooldown(now time.Time) {
	t.earlyFailures, t.failed = 0, false
	t.cooldownUntil = now.Add(min(firstCooldown<<min(t.cooldowns, 8), maxCooldown))
	t.cooldowns++
}

func (t *transportState) coolingDown(now time.Time) bool { return now.Before(t.cooldownUntil) }

// validated: the transport works here, for now.
func (t *transportState) validated() {
	t.earlyFailures, t.failed, t.cooldownUntil = 0, false, time.Time{}
}

// entry is what is remembered of one transport, in whole milliseconds and bytes; 0: nothing. Its
// place in the memory's JSON is that of its fields.
type entry struct {
	cooldownUntil int64 // a time of day
	cooldowns     int64
	idle          int64
	age           int64
	hold          int64
	limit         int64
}
