package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/cases"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// runClient tests a client, through an adapter that it starts.
func runClient(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("client", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprintln(stderr, "Usage: holdfast-conformance client [FLAGS] -- COMMAND…\n\nCOMMAND is an adapter of the "+
			"client: see docs/conformance.md.")
		set.PrintDefaults()
	}
	server := set.String("server", "",
		"`URL` of a server that echoes, for the cases that go through the middlebox (default: one of the suite's own)")
	file := set.String("trace", "", "write the traces of the cases whose server is an honest one to this `FILE`")
	sweep := set.Int64("sweep", 0,
		"cut at every `N`-th byte in the cases sweep/…, which takes minutes (default: a few bytes, by the seed)")
	var flags suite.Flags
	flags.Add(set)
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return suite.ExitPassed
	case err != nil:
		return suite.ExitUsage
	case set.NArg() == 0 && !flags.List:
		set.Usage()
		return suite.ExitUsage
	}
	all, err := cases.Client()
	if err != nil {
		fmt.Fprintf(stderr, "holdfast-conformance: %v\n", err)
		return suite.ExitUsage
	}
	if *sweep > 0 {
		cases.AllowFullSweeps(all)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var target *client.Target
	find := func() (any, error) {
		var err error
		if target, err = client.NewTarget(ctx, set.Args(), nil, *server, stderr); err != nil {
			return nil, err
		}
		if target.Sweep = *sweep; *file == "" {
			return target, nil
		}
		f, err := os.Create(*file)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = f.Close() })
			target.Trace = trace.NewRecorder(f)
		}
		return target, err
	}
	defer func() {
		if target != nil {
			target.Stop()
		}
	}()
	return suite.Main(ctx, "conformance", all, &flags, find, stdout, stderr)
}
