package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// simHabit is what the network does to all carriers of one transport as long as the world lasts, in calm times too: what a client can learn.
type simHabit struct {
	age   time.Duration // a WebSocket or a stream dies when it is so old; 0: it does not
	idle  time.Duration // … when nothing passed for so long
	quiet bool          // … without a word
}

// drawHabits gives a third of the worlds habits.
func (w *world) drawHabits() map[string]simHabit {
	habits := map[string]simHabit{}
	if w.rng.IntN(3) > 0 {
		return habits
	}
	for _, name := range []string{transport.WebSocket, transport.SSE} {
		habits[name] = simHabit{
			age:  pick(w, 0, 13*time.Second, 20*time.Second, 40*time.Second),
			idle: pick(w, 0, 2500*time.Millisecond, 4*time.Second, 12*time.Second), quiet: w.rng.IntN(2) == 0,
		}
	}
	return habits
}

// grow lets a new carrier grow old, and fall idle.
func (ca *simCarrier) grow() {
	h := ca.w.weather.habits[ca.way]
	if ca.kind != transport.KindSocket && ca.kind != transport.KindStream {
		return
	}
	if h.age > 0 {
		ca.w.after(h.age, func() { ca.dies(h, "old") })
	}
	if h.idle > 0 {
		ca.watch(h)
	}
}

// watch looks whether anything has passed of late.
func (ca *simCarrier) watch(h simHabit) {
	switch at := ca.passed + h.idle; {
	case ca.dead || !ca.open:
	case at <= ca.w.at:
		ca.dies(h, "idle")
	default:
		ca.w.when(at, func() { ca.watch(h) })
	}
}

func (ca *simCarrier) dies(h simHabit, of string) {
	if ca.dead || !ca.open {
		return
	}
	ca.w.counts.habits[of]++
	ca.w.tracef("%s %d of %s is too %s", ca.kind, ca.id, ca.c.name, of)
	if h.quiet {
		ca.holeUp, ca.holeDown = true, true
		return
	}
	ca.severed(true, true)
}
