package session

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-rt/holdfast/transport"
)

// TestTicketsAreIssuedWithoutALock: IssueTicket may look at the session that asks. The answer of the
// POST that asked waits for the ticket and has it.
func TestTicketsAreIssuedWithoutALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it tells of a deadlock at once
		var b *bench
		asked := 0
		b = newBench(t, RegistryConfig{IssueTicket: func(k Ticket) string {
			if asked++; asked < 3 && b.registry.Session(k.Session()).State() == StateClosed {
				t.Error("no session asks for the ticket")
			}
			return "TICKET"
		}})
		issue := func(c *serverConn) { // what do does, save that nobody writes to a conn of a bench
			c.Init(c.Kind(), nil)
			b.s.issue(b.s.machine.Effects().Tickets)
		}
		ws := b.first(transport.KindSocket, openOne)
		b.want(ws, "!opened")
		b.frame(ws, "@1 0\n!ticket {\"att\":5,\"recv\":0}\n")
		issue(ws)
		b.want(ws, `!ticket {"ticket":"TICKET","ttl":30000}`)
		up := b.first(transport.KindUp, upOne+"!ticket {\"att\":6,\"recv\":0}\n")
		if got := b.next(up); got != "" {
			t.Errorf("answered %q before there was a ticket", got)
		}
		issue(up)
		b.want(up, `!ticket {"ticket":"TICKET","ttl":30000}`, "!reply")
		if asked != 2 {
			t.Errorf("%d tickets were issued", asked)
		}
		late := b.first(transport.KindUp, upOne+"!ticket {\"att\":7,\"recv\":0}\n")
		e := b.s.machine.Effects()
		late.Init(late.Kind(), nil)
		_ = b.s.Abort(transport.CodeDone, "") // before the ticket was issued
		b.s.issue(e.Tickets)
		b.want(late, "!reply")
	})
}
