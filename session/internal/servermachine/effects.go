package servermachine

import "time"

// Waker is told that a conn may have something to write. It is called without locks and must not
// block.
type Waker interface{ Wake() }

// ObservationKind says what an observation tells.
type ObservationKind uint8

// The kinds of observations.
const (
	Attached ObservationKind = iota + 1 // an attachment was opened: Outcome
	Selected                            // another attachment carries the lines: From
	Refused                             // a batch was refused: Reason
	Detached                            // an attachment was ended by the server
	Replayed                            // lines were sent again: Count
	Measured                            // a round trip: RTT
)

// Observation is one fact for metrics.
type Observation struct {
	Kind      ObservationKind
	Transport string
	Outcome   string // of an attach: new, resumed, retried
	From      string // the transport selected before, "none" if there was none
	Reason    string
	Count     int
	RTT       time.Duration
}

// TicketRequest is a ticket that a client waits for.
type TicketRequest struct {
	// Ticket is what the ticket is to stand for.
	Ticket Ticket
	conn   any // the *Conn that asked for it
}

// Effects is what is to be done after an event, without the session's lock.
type Effects struct {
	wakers       [2]Waker // the common case without allocation
	more         []Waker
	n            int
	Observations []Observation
	// Tickets are to be made, and given to [Machine.AnswerTicket], each of them.
	Tickets []TicketRequest
}

// Wake wakes the conns that have something to write.
func (e Effects) Wake() {
	for _, w := range e.wakers[:e.n] {
		w.Wake()
	}
	for _, w := range e.more {
		w.Wake()
	}
}

// effects collects what is to be done.
type effects struct {
	wakers []Waker
	rare   *rareEffects // a pointer costs an idle session less than slices
}

type rareEffects struct {
	observations []Observation
	tickets      []TicketRequest
}

func (e *effects) orRare() *rareEffects {
	if e.rare == nil {
		e.rare = new(rareEffects)
	}
	return e.rare
}

// take hands out what was collected since the last call.
func (e *effects) take() (out Effects) {
	out.n = copy(out.wakers[:], e.wakers)
	out.more = append(out.more, e.wakers[out.n:]...)
	clear(e.wakers)
	e.wakers = e.wakers[:0]
	if e.rare != nil {
		out.Tickets = e.rare.tickets
	}
	out.Observations = e.takeObservations()
	e.rare = nil
	return out
}

func (e *effects) takeObservations() (all []Observation) {
	if e.rare != nil {
		all, e.rare.observations = e.rare.observations, nil
	}
	return all
}
