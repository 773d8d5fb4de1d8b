package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/holdfast-rt/holdfast/conformance/cases"
	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// runServer tests a server.
func runServer(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("server", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprintln(stderr, "Usage: holdfast-conformance server [FLAGS] URL\n\nURL is the endpoint, or a server "+
			"that has it at /holdfast. It must serve the applications of docs/conformance.md.")
		set.PrintDefaults()
	}
	var flags suite.Flags
	flags.Add(set)
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return suite.ExitPassed
	case err != nil:
		return suite.ExitUsage
	case set.NArg() != 1 && !flags.List:
		set.Usage()
		return suite.ExitUsage
	}
	all, err := cases.Server()
	if err != nil {
		fmt.Fprintf(stderr, "holdfast-conformance: %v\n", err)
		return suite.ExitUsage
	}
	find := func() (any, error) { return server.Find(ctx, set.Arg(0), flags.Profiles()) }
	return suite.Main(ctx, "conformance", all, &flags, find, stdout, stderr)
}
