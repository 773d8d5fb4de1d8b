package servermachine

import "time"

// Config is what the operator of a server chose.
type Config struct {
	// Node names the process in "opened".
	Node string
	// MaxBatch is the largest batch taken, MaxMessage the largest message either way, in bytes.
	MaxBatch, MaxMessage int
	// Window is how many unacknowledged window bytes each side may have.
	Window int64
	// Ping is the silence after which an attachment is pinged; Hold is the longest that a poll
	// waits.
	Ping, Hold time.Duration
	// TTL is how long a session outlives its client's last batch.
	TTL time.Duration
	// CloseTimeout is how long a session that was closed here waits for the client's last ack.
	CloseTimeout time.Duration
	// MaxStreamBytes is how much an event stream carries before it is to be replaced. Default
	// 4 MiB.
	MaxStreamBytes int64
	// Random draws a run or a challenge: 22 characters of base64url.
	Random func() string
	// IssuesTickets: there are tickets for event streams that a GET opens. See
	// [Effects.Tickets].
	IssuesTickets bool
	// Observed says that somebody reads the observations.
	Observed bool
}

// Rules are a Config that the machines of a server share. They do not change.
type Rules struct{ cfg Config }

// NewRules copies a Config.
func NewRules(cfg Config) *Rules { return &Rules{cfg} }

// MaxStreamBytes is the default of [Config.MaxStreamBytes].
const MaxStreamBytes = 4 << 20

// Ticket is what a ticket stands for (HF1-SSE-06).
type Ticket struct {
	Session, Run string
	Att, U, Recv uint64
}

// Identity is who a session belongs to.
type Identity struct {
	// ID is the session's public name; Principal is its owner.
	ID, Principal string
	// Origin is the Origin of the request that created it.
	Origin string
}
