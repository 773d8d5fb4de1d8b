// Command holdfast-conformance tests servers, clients and networks against docs/protocol.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is a subcommand. Each has a file of its own.
type command struct {
	name, args, about string
	run               func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int
}

func commands() []command {
	return []command{
		{"server", "URL", "test the server at a URL", runServer},
		{"client", "-- COMMAND…", "test the client that an adapter drives", runClient},
		{"trace", "FILE", "check the invariants over a trace", runTrace},
		{"network", "URL", "test a deployment: what stands between clients and an endpoint", runNetwork},
		{"middlebox", "", "serve a hostile proxy in front of a server", runMiddlebox},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(ctx, args[1:], stdin, stdout, stderr)
			}
		}
	}
	out, code := stderr, 2
	if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help" || args[0] == "help") {
		out, code = stdout, 0
	}
	fmt.Fprintln(out, "Usage: holdfast-conformance COMMAND [FLAGS] …   (COMMAND -help lists the flags; see "+
		"docs/conformance.md)")
	for _, c := range commands() {
		fmt.Fprintf(out, "  %-11s %-18s %s\n", c.name, c.args, c.about)
	}
	return code
}
