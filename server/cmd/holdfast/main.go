// Command holdfast serves sessions, echoes what they send, and shows a demo page.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Whoever reads our output may go away. Without this the next line would end the program, and
	// strangers can cause lines.
	signal.Ignore(syscall.SIGPIPE)
	// Settings are read at the start; nothing is reloaded.
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
