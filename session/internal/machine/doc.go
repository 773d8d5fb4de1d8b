// Package machine holds the rules that both ends of a session follow. The machine of each end is
// built from them: see clientmachine and servermachine.
//
// Nothing here does I/O, starts a goroutine, takes a lock or asks for the time. The time is passed
// in.
package machine
