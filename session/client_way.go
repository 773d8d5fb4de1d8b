package session

import "time"

// clientWay is what the client knows of one transport.
type clientWay struct {
	name    string
	young   int       // deaths before proof, in a row
	rests   int       // rests so far, each twice as long; while there are any the transport is on probation
	rest    time.Time // not before then, unless nothing else is left (HF1-LIV-09)
	failed  bool      // did not open; charged once another transport does
	faulted bool      // its last batch broke a rule (HF1-ERR-02)
	limit   batchLimit

	silence time.Duration // before its last cut
	lived   time.Duration // the age at its last cut that silence does not explain
	idle    time.Duration // paths die when they are silent for so long; 0: not known
	age     time.Duration // paths die when they are so old; 0: not known
	hold    time.Duration // polls that hang for longer fail; 0: not known
}

const (
	restFirst    = 20 * time.Second
	restMost     = 10 * time.Minute
	settledAfter = 60 * time.Second
)

// died books the death of a path (HF1-LIV-09).
func (m *clientMachine) died(p *clientPath, now time.Time) {
	w, sound := p.way, m.sound()
	switch {
	case p.charged || m.blameless(p, now):
	case p.state == pathOpening: // if the same transport is in use it does open, if not this time
		w.failed = sound == nil || sound.way != w
	case p.proven:
		if w.rests > 0 && now.Before(p.openedAt.Add(settledAfter)) { // HF1-LIV-13: it came back too soon
			w.takeRest(now)
		}
	default:
		if w.young++; w.young >= 2 {
			w.takeRest(now)
		}
	}
}

func (w *clientWay) takeRest(now time.Time) {
	w.young, w.failed = 0, false
	w.rest = now.Add(min(restFirst<<min(w.rests, 8), restMost))
	w.rests++
}

// proved: the transport works here, for now.
func (w *clientWay) proved() { w.young, w.failed, w.rest = 0, false, time.Time{} }

func (w *clientWay) resting(now time.Time) bool { return now.Before(w.rest) }
