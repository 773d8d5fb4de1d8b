// Package clientmachine decides what the client's end of a session does. It does no I/O: batches,
// the ends of conns and the time go in, what is to be done comes out of [Machine.Effects], and
// [Machine.Next] writes the bytes of a conn when its writer asks for them.
//
// The machine is not safe for concurrent use; the lock of its session guards it. Whoever runs it
// calls methods only: machine.go has them all. state.go has the data, step.go the order of work;
// every other file is one part with its rules. clientjs/src/machine has the same parts under the
// same names, and both run the scripts in session/testdata/scenarios.
package clientmachine
