package machine

import (
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// FaultRecord remembers the last batch that broke a rule. The same fault on two transports in a row
// ends the session (HF1-ERR-02). T names a transport.
type FaultRecord[T comparable] struct {
	code transport.Code
	on   T
}

// Note records a fault, and tells whether it repeats the last one on another transport.
func (f *FaultRecord[T]) Note(code transport.Code, on T) (repeated bool) {
	repeated = f.code == code && f.on != on
	f.code, f.on = code, on
	return repeated
}

// Clear is called when a good batch has come.
func (f *FaultRecord[T]) Clear() { f.code = 0 }

// CheckPositions finds an ack or a position above what was ever sent, before anything of a batch
// acts (HF1-NUM-09).
func CheckPositions(out *logs.SendLog, p *wire.Packet, ctl []wire.Control) error {
	if p.Ack > out.Written() {
		return &wire.ProtocolError{Code: transport.CodePosition, Detail: "ack above what was sent"}
	}
	for _, v := range ctl {
		if wire.StatedPosition(v) > out.Written() {
			return &wire.ProtocolError{Code: transport.CodePosition, Detail: "recv above what was sent"}
		}
	}
	return nil
}

// CheckWindow finds a peer that has overrun the window: it brings new lines while more than the
// window and one message wait for the application (HF1-NUM-10).
func CheckWindow(in *logs.ReceiveLog, p *wire.Packet, window int64, maxMessage int) error {
	if in.IsFresh(p) && in.Held() > window+int64(maxMessage) {
		return &wire.ProtocolError{Code: transport.CodeWindow, Detail: "window overrun"}
	}
	return nil
}
