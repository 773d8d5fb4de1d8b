package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/network"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// runNetwork is the deployment test.
func runNetwork(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("network", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprintln(stderr, "Usage: holdfast-conformance network [FLAGS] URL\n\nURL is the endpoint, as clients "+
			"reach it: through the proxy, CDN or balancer. Exit code 1: something is not fit.")
		set.PrintDefaults()
	}
	asJSON := set.Bool("json", false, "write the findings as JSON")
	hold := set.Duration("hold", 22*time.Second, "how long a poll is let wait")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return suite.ExitPassed
	case err != nil:
		return suite.ExitUsage
	case set.NArg() != 1:
		set.Usage()
		return suite.ExitUsage
	}
	u, err := url.Parse(set.Arg(0))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		fmt.Fprintf(stderr, "holdfast-conformance: %q is not the http: or https: URL of an endpoint\n", set.Arg(0))
		return suite.ExitUsage
	}
	p := &network.Prober{URL: u, Hold: *hold}
	found, failed := p.Run(ctx, func(f network.Finding) {
		if !*asJSON {
			tellFinding(stdout, f)
		}
	})
	code := suite.ExitPassed
	for _, f := range found {
		if !f.Fit {
			code = suite.ExitFailed
		}
	}
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		_ = e.Encode(found)
	}
	if failed != nil {
		fmt.Fprintf(stderr, "holdfast-conformance: %v\n", failed)
		return suite.ExitFailed
	}
	return code
}

func tellFinding(stdout io.Writer, f network.Finding) {
	verdict := "fit    "
	if !f.Fit {
		verdict = "NOT FIT"
	}
	fmt.Fprintf(stdout, "%s  %-10s %s\n", verdict, f.Probe, f.Saw)
	if f.Fit {
		return
	}
	for _, x := range f.Fix {
		fmt.Fprintf(stdout, "         %-10s %s\n", x.Product, x.Line)
	}
}
