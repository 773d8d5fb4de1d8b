package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/holdfast-rt/holdfast/session/client/doctor"
)

// The exit codes of holdfast doctor.
const (
	exitFits     = 0  // every transport carries a session
	exitDegraded = 1  // a session works, but not over every transport as it should
	exitBlocked  = 2  // no session works
	exitUsage    = 64 // the command line is wrong (EX_USAGE)
)

const doctorUsage = `Usage: holdfast doctor [flags] URL

Holds a short session over each transport with the Holdfast server at URL, as https://example.org/holdfast, and
tells what the network on the way does. It goes through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name.
HOLDFAST_AUTH is the client's auth, as JSON, where the server wants one.

Exit code: 0 every transport carries a session, 1 a session works though not over every transport as it should,
2 none works, 64 the command line is wrong.

Flags:
`

// diagnose is holdfast doctor. When ctx ends, it ends with what it knows by then.
func diagnose(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("holdfast doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed in one line
	asJSON := flags.Bool("json", false, "print the report as JSON")
	long := flags.Bool("long", false,
		"watch for more than a minute too, for quiet times and ages at which connections are cut")
	timeout := flags.Duration("timeout", 0, "bound on the whole diagnosis (default 15s, with -long 95s)")
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp: //nolint:errorlint // flag does not wrap it
		fmt.Fprint(stdout, doctorUsage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return exitFits
	case err != nil:
		return fail(stderr, exitUsage, fmt.Errorf("doctor: %w", err))
	case flags.NArg() != 1:
		return fail(stderr, exitUsage,
			fmt.Errorf("doctor: want one URL, got %d arguments; -help tells more", flags.NArg()))
	case *timeout < 0 || *timeout > 0 && *timeout < 2*time.Second:
		return fail(stderr, exitUsage, fmt.Errorf("doctor: -timeout %s is below 2s", *timeout))
	}
	o := &doctor.Options{Timeout: *timeout, Long: *long, Proxy: proxyOf(env)}
	if auth := env("HOLDFAST_AUTH"); auth != "" {
		o.Auth = json.RawMessage(auth)
	}
	if !*asJSON {
		fmt.Fprintln(stderr, "Trying WebSocket, event stream and long poll; this takes about",
			map[bool]string{false: "10 seconds", true: "80 seconds"}[*long], "…")
	}
	r, err := doctor.Diagnose(ctx, flags.Arg(0), o)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	if *asJSON {
		out := json.NewEncoder(stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		_ = out.Encode(r)
	} else {
		fmt.Fprint(stdout, r.Text())
	}
	switch r.Verdict {
	case doctor.Good:
		return exitFits
	case doctor.Degraded:
		return exitDegraded
	default:
		return exitBlocked
	}
}

// proxyOf reads the proxy variables, as net/http does for the whole process.
func proxyOf(env func(string) string) func(*http.Request) (*url.URL, error) {
	either := func(upper, lower string) string {
		if v := env(upper); v != "" {
			return v
		}
		return env(lower)
	}
	c := httpproxy.Config{
		HTTPProxy: either("HTTP_PROXY", "http_proxy"), HTTPSProxy: either("HTTPS_PROXY", "https_proxy"),
		NoProxy: either("NO_PROXY", "no_proxy"),
	}
	find := c.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) {
		u := *r.URL
		switch u.Scheme { // gorilla asks for ws, which uses the proxy for http
		case "ws":
			u.Scheme = "http"
		case "wss":
			u.Scheme = "https"
		}
		return find(&u)
	}
}
