package session

import "time"

// due says whether the time at has come; zero never comes. If it has not, deadline is no later than it: so what judges a deadline also
// plans it, and the two cannot disagree.
func due(deadline *time.Time, now, at time.Time) bool {
	switch {
	case at.IsZero():
		return false
	case !now.Before(at):
		return true
	case deadline.IsZero() || at.Before(*deadline):
		*deadline = at
	}
	return false
}
