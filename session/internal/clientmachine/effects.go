package clientmachine

import "github.com/holdfast-rt/holdfast/transport"

// EffectKind says what is to be done.
type EffectKind uint8

// The kinds of effects.
const (
	Dial     EffectKind = iota + 1 // open conn Conn of ConnKind on Transport; its first batch is Next(Conn)
	Write                          // conn Conn has something to write: call Next(Conn) until it has no more
	HangUp                         // end conn Conn; nothing it does is of interest any more
	AskAuth                        // ask the application for credentials, then call Authorized
	Traced                         // tell whoever watches of Trace
	Over                           // the session has ended: see Ending
	Remember                       // keep Memory for the next session to this endpoint
)

// Effect is one thing that is to be done, without the session's lock.
type Effect struct {
	Kind      EffectKind
	Conn      int
	ConnKind  transport.Kind
	Transport string
	Code      transport.Code
	Trace     Trace
	Memory    []byte
}

// Step is a step in the life of an attachment.
type Step uint8

// The steps.
const (
	Attach    Step = iota + 1 // an attempt began
	Opened                    // the server has answered it
	Selected                  // it carries the session
	Validated                 // it has proved itself by survival
	Suspect                   // it may be dead; another is opened beside it
	Detached                  // the server sends no more data on it
	Refused                   // the server refused it
	Died                      // it has ended
)

// Trace tells of a step.
type Trace struct {
	Step      Step
	Transport string
	Att       uint64
	Reason    string
}
