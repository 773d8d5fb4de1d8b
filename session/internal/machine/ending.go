package machine

import (
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/transport"
)

// Ending tells how a session ended.
type Ending struct {
	Code   transport.Code
	Reason string
	// Taken is what the peer has taken of this side's log, if Known: its final word.
	Taken uint64
	Known bool
	// Remote says that the peer ended the session.
	Remote bool
}

// Aborted is the ending of a session that this side ends at once. The fate of its messages is known
// if everything that ever went out was taken: nobody has seen the rest.
func Aborted(out *logs.SendLog, code transport.Code, reason string) Ending {
	return Ending{Code: code, Reason: reason, Taken: out.Acked(), Known: out.Acked() == out.Written()}
}

// Fate tells what became of the messages in a log (HF1-CLO-05): all up to delivered were delivered;
// of those above, exact says that none was. The zero Ending is of a session that goes on.
func (e Ending) Fate(out *logs.SendLog) (sent, delivered uint64, exact bool) {
	sent, delivered = out.Last(), out.Acked()
	if e.Known {
		delivered, exact = max(delivered, min(e.Taken, sent)), true
	}
	if c := out.Closing(); c != 0 && sent == c { // !close is no message
		sent--
		delivered = min(delivered, sent)
	}
	return sent, delivered, exact || delivered == sent
}
