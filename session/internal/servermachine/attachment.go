package servermachine

import (
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// isUnread tells whether more answers wait on the attachment than a client that reads leaves there.
func (a *attachment) isUnread() bool { return len(a.controls) > machine.MaxQueuedControls }

// queueControl queues a control on the attachment, whatever waits there.
func (a *attachment) queueControl(v wire.Control) { a.controls = wire.AppendControl(a.controls, v) }

// takeControls hands out what is queued.
func (a *attachment) takeControls() []byte {
	ctl := a.controls
	a.controls = nil
	return ctl
}

// answer queues the answer to something that came by c: on the attachment, or for long polls in the
// reply of the request itself (HF1-LIV-02).
func (a *attachment) answer(c *Conn, v wire.Control) {
	controls := &a.controls
	if a.kind == transport.KindOpen {
		controls = &c.controls
	}
	if len(*controls) <= machine.MaxQueuedControls {
		*controls = wire.AppendControl(*controls, v)
	}
}
