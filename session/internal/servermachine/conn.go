package servermachine

import (
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// Init makes a new conn of a kind. Waker may be nil: nobody waits for what it writes.
func (c *Conn) Init(kind transport.Kind, w Waker) { c.kind, c.waker = kind, w }

// Kind is what the conn was asked to be.
func (c *Conn) Kind() transport.Kind { return c.kind }

// CloseCode says why the conn ends, for a WebSocket's close frame. It is asked for after the last
// word was written, so it does not change any more.
func (c *Conn) CloseCode() transport.Code {
	if c.closeCode == 0 {
		return transport.CodeDetached
	}
	return c.closeCode
}

// Refuse makes a refusal the only answer of a conn.
func (c *Conn) Refuse(r wire.Refused) { c.answerLast(r, transport.CodeFault) }

// AnswerClosed makes the final word of a session that has ended the only answer of a conn.
func (c *Conn) AnswerClosed(v wire.Closed) { c.answerLast(v, transport.Code(v.Code)) }

func (c *Conn) answerLast(v wire.Control, code transport.Code) {
	c.controls = wire.AppendControl(nil, v)
	c.end(code)
}

// isUnread tells whether more answers wait than fit any batch.
func (c *Conn) isUnread() bool {
	const ticketSize = 64 // of the answer to each, about
	return len(c.controls)+ticketSize*int(c.tickets) >= machine.MaxQueuedControls
}

// Answer is the whole batch that answers a conn which no session took.
func (c *Conn) Answer() []byte { return append(wire.AppendHead(nil, 1, 0), c.controls...) }

// end has the conn say what it still has to say, and end.
func (c *Conn) end(code transport.Code) {
	c.attachment, c.ready, c.empty, c.ending, c.closeCode = nil, true, true, true, code
}
