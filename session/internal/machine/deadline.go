package machine

import "time"

// Deadline is the next time at which a machine wants to look at the clock. The zero value is none.
type Deadline struct{ at time.Time }

// Clear forgets the deadline. It is planned anew by the calls of Due that follow.
func (d *Deadline) Clear() { d.at = time.Time{} }

// At is the deadline; the zero time if there is none.
func (d *Deadline) At() time.Time { return d.at }

// Due says whether the time at has come; the zero time never comes. If it has not, the deadline is
// no later than it: so what judges a deadline also plans it, and the two cannot disagree.
func (d *Deadline) Due(now, at time.Time) bool {
	switch {
	case at.IsZero():
		return false
	case !now.Before(at):
		return true
	case d.at.IsZero() || at.Before(d.at):
		d.at = at
	}
	return false
}
