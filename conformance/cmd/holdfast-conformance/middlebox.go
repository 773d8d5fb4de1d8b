package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/holdfast-rt/holdfast/conformance/middlebox"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// runMiddlebox serves a hostile proxy until it is stopped, so that people can try their
// applications behind it.
func runMiddlebox(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("middlebox", flag.ContinueOnError)
	set.SetOutput(stderr)
	modes := set.String("mode", "",
		"`MODES`: name[@kind+kind][#times][:argument], with commas between, as kill-ws:200ms,delay@poll:1s")
	target := set.String("target", "", "`URL` of the server behind the box")
	listen := set.String("listen", "127.0.0.1:0", "loopback `ADDRESS` to listen on")
	list := set.Bool("list", false, "list the modes")
	verbose := set.Bool("v", false, "show each request on standard error")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return suite.ExitPassed
	case err != nil:
		return suite.ExitUsage
	case *list:
		listModes(stdout)
		return suite.ExitPassed
	}
	fail := func(err error) int {
		fmt.Fprintf(stderr, "holdfast-conformance: %v\n", err)
		return suite.ExitUsage
	}
	parsed, err := middlebox.Parse(*modes)
	if err != nil {
		return fail(err)
	}
	box, err := middlebox.New(*target, parsed...)
	if err != nil {
		return fail(err)
	}
	defer box.Close()
	if *verbose {
		box.Log = func(line string) { fmt.Fprintln(stderr, line) }
	}
	url, err := box.Listen(*listen)
	if err != nil {
		return fail(err)
	}
	fmt.Fprintf(stdout, "listening on %s\n", url)
	<-ctx.Done()
	return suite.ExitPassed
}

func listModes(stdout io.Writer) {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, d := range middlebox.List() {
		name := d.Name
		if d.Default != "" {
			name += ":" + d.Default
		} else if d.Takes != "" {
			name += ":…"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, d.Fault, d.Does)
	}
	_ = w.Flush()
	fmt.Fprintln(stdout, "\nKinds of exchange for @: ws, stream, poll, up, open, other, http, post, all.")
}
