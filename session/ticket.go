package session

import "github.com/holdfast-rt/holdfast/session/internal/servermachine"

// Ticket is what an EventSource's ticket stands for (HF1-SSE-06).
type Ticket struct{ t servermachine.Ticket }

// Session is the id of the session that asked for the ticket.
func (k Ticket) Session() string { return k.t.Session }
