package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// runTrace checks the invariants over a trace, from a file or, for "-", from standard input.
func runTrace(_ context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	fail := func(err error) int {
		fmt.Fprintf(stderr, "holdfast-conformance: %v\n", err)
		return suite.ExitUsage
	}
	if len(args) != 1 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		fmt.Fprintln(stderr, "Usage: holdfast-conformance trace FILE\n\nFILE holds JSON lines (docs/conformance.md, "+
			"Traces); - is standard input.")
		return suite.ExitUsage
	}
	in := stdin
	if args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return fail(err)
		}
		defer f.Close()
		in = f
	}
	report, err := trace.Check(in)
	if err != nil {
		return fail(err)
	}
	for _, v := range report.Violations {
		fmt.Fprintln(stdout, v)
	}
	fmt.Fprintf(stdout, "%d events of %d sessions, %d messages delivered, %d violations\n", report.Events,
		report.Sessions, report.Delivered, len(report.Violations))
	if len(report.Violations) > 0 {
		return suite.ExitFailed
	}
	return suite.ExitPassed
}
