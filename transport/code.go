package transport

// Code is a close code. Its hundred tells what has ended: 40xx this carrier only, 41xx the session,
// normally, 42xx the session, and a new one is welcome, 43xx the session, and trying again is no
// use. Only the session's own packets end a session (I4); a Code on a carrier is a courtesy to
// whoever reads a trace.
type Code int

// The codes of holdfast/1, docs/protocol.md "Close codes".
const (
	CodeSuperseded Code = 4001 // a newer request or attachment took this one's place
	CodeIdle       Code = 4002 // no sign of life
	CodeRotate     Code = 4003 // asked to attach anew
	CodeDetached   Code = 4004 // no longer wanted
	CodeFault      Code = 4005 // the carrier broke or garbled a batch

	CodeDone        Code = 4100 // the application is done
	CodeApplication Code = 4101 // the application gave its own reason

	CodeDraining   Code = 4200 // the server goes away
	CodeExpired    Code = 4201 // ttl ran out
	CodeContinuity Code = 4202 // the log cannot be continued
	CodeSlow       Code = 4203 // the peer did not take its messages in time
	CodeLost       Code = 4204 // the server does not know the session

	CodeAuth      Code = 4301 // not authenticated, or another principal
	CodePosition  Code = 4302 // an ack or a position above what was sent
	CodeMalformed Code = 4303 // a batch that breaks the grammar
	CodeWindow    Code = 4304 // more unacknowledged bytes than the window
	CodeVersion   Code = 4305 // no common version
	CodePolicy    Code = 4306 // Origin, limits, rules of the house
)
