package clientmachine

import "time"

// latest is the later time.
func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// clamp holds d within its bounds.
func clamp(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }
