package transport

// Code is a close code. Its first two digits say what has ended. 40xx: only this connection. 41xx:
// the session, in the normal way. 42xx: the session, and the client may open a new one. 43xx: the
// session, and a new attempt would fail as well. Only packets of the session protocol end a session
// (I4); a Code in a close frame only helps people who read a trace.
type Code int

// The codes of holdfast/1, docs/protocol.md "Close codes".
const (
	CodeSuperseded Code = 4001 // a newer request or attachment took this one's place
	CodeIdle       Code = 4002 // nothing was received for too long
	CodeRotate     Code = 4003 // asked to attach again
	CodeDetached   Code = 4004 // no longer wanted
	CodeFault      Code = 4005 // the connection broke or damaged a batch

	CodeDone        Code = 4100 // the application is done
	CodeApplication Code = 4101 // the application gave its own reason

	CodeDraining   Code = 4200 // the server shuts down
	CodeExpired    Code = 4201 // the session's ttl has passed
	CodeContinuity Code = 4202 // the log cannot be continued
	CodeSlow       Code = 4203 // the peer did not take its messages in time
	CodeLost       Code = 4204 // the server does not know the session

	CodeAuth      Code = 4301 // not authenticated, or another principal
	CodePosition  Code = 4302 // an ack or a position above what was sent
	CodeMalformed Code = 4303 // a batch that breaks the grammar
	CodeWindow    Code = 4304 // more unacknowledged bytes than the window
	CodeVersion   Code = 4305 // no common version
	CodePolicy    Code = 4306 // Origin, limits, or rules of this server
)
