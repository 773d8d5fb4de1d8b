// Package servermachine decides what the server's end of a session does. It does no I/O: batches
// and the time go in, what is to be done comes out of [Machine.Effects], and [Machine.Next] writes
// the bytes of a conn when its writer asks for them.
//
// The machine is not safe for concurrent use; the lock of its session guards it. Whoever runs it
// calls methods only: machine.go has them all. state.go has the data, step.go the order of work;
// every other file holds one topic of docs/protocol.md.
package servermachine
