package session

import "github.com/holdfast-rt/holdfast/session/internal/clientmachine"

// TraceKind is a step in the life of an attachment.
type TraceKind uint8

// The steps.
const (
	// TraceAttach: an attempt began.
	TraceAttach = TraceKind(clientmachine.Attach)
	// TraceOpened: the server has answered it.
	TraceOpened = TraceKind(clientmachine.Opened)
	// TraceSelected: it carries the session.
	TraceSelected = TraceKind(clientmachine.Selected)
	// TraceValidated: it has proved itself by survival.
	TraceValidated = TraceKind(clientmachine.Validated)
	// TraceSuspect: it may be dead, and another is opened beside it.
	TraceSuspect = TraceKind(clientmachine.Suspect)
	// TraceDetached: the server sends no more data on it.
	TraceDetached = TraceKind(clientmachine.Detached)
	// TraceRefused: the server refused it.
	TraceRefused = TraceKind(clientmachine.Refused)
	// TraceDied: it has ended.
	TraceDied = TraceKind(clientmachine.Died)
)

var traceNames = [...]string{
	"", "attach", "opened", "selected", "validated", "suspect", "detached", "refused", "died",
}

// String names the step, as the browser's client does.
func (k TraceKind) String() string {
	if int(k) < len(traceNames) {
		return traceNames[k]
	}
	return ""
}

// Trace is one step in the life of a session's attachments.
type Trace struct {
	Kind TraceKind
	// What is the name of Kind, for logs.
	What string
	// Transport is the attachment's transport, Att its number.
	Transport string
	Att       uint64
	// Reason says why, where there is a reason to tell.
	Reason string
}

func traceOf(t clientmachine.Trace) Trace {
	kind := TraceKind(t.Step)
	return Trace{Kind: kind, What: kind.String(), Transport: t.Transport, Att: t.Att, Reason: t.Reason}
}
