package suite

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Exit codes of a command that runs cases.
const (
	ExitPassed = 0
	ExitFailed = 1
	ExitUsage  = 2 // also: no case matches
)

// Flags are those of every command that runs cases.
type Flags struct {
	List, JSON, Verbose bool
	Pattern, Profile    string
	JUnit               string
	Seed                uint64
	Parallel            int
	FailFast, Strict    bool
}

// Add adds them to the flags of a command.
func (f *Flags) Add(set *flag.FlagSet) {
	set.BoolVar(&f.List, "list", false, "list the cases and run none")
	set.StringVar(&f.Pattern, "run", "",
		"run the cases whose `PATTERN` (a regular expression) matches ID or requirement")
	set.StringVar(&f.Profile, "profile", "",
		"`LIST` of what the other side has: core,ws,sse,poll,cluster (default all but cluster)")
	set.BoolVar(&f.JSON, "json", false, "write the results to standard output as JSON, progress to standard error")
	set.StringVar(&f.JUnit, "junit", "", "write a JUnit report to this `FILE`")
	set.Uint64Var(&f.Seed, "seed", 1, "of all random choices")
	set.IntVar(&f.Parallel, "parallel", 32, "how many cases run at a time")
	set.BoolVar(&f.FailFast, "failfast", false, "stop at the first failure")
	set.BoolVar(&f.Strict, "strict", false, "count a case that cannot be seen, as the other side is set up, for failed")
	set.BoolVar(&f.Verbose, "v", false, "show the cases that pass, too")
}

// Profiles is the profile flag as a list.
func (f *Flags) Profiles() []string {
	if f.Profile == "" {
		return []string{Core, WS, SSE, Poll}
	}
	return strings.Split(f.Profile, ",")
}

// Main selects and runs cases, reports, and returns the exit code. Target is called once, when
// there is something to run.
func Main(ctx context.Context, name string, cases Set, f *Flags, target func() (any, error), stdout,
	stderr io.Writer,
) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "holdfast-conformance: %v\n", err)
		return code
	}
	if err := cases.Check(); err != nil {
		return fail(ExitUsage, err)
	}
	cases, err := cases.Select(f.Profiles(), f.Pattern)
	if err != nil {
		return fail(ExitUsage, err)
	}
	if f.List {
		WriteList(stdout, cases)
		return ExitPassed
	}
	t, err := target()
	if err != nil {
		return fail(ExitUsage, err)
	}
	progress := stdout
	if f.JSON {
		progress = stderr
	}
	start := time.Now()
	results := Run(ctx, cases, Options{
		Strict: f.Strict,
		Seed:   f.Seed, Parallel: f.Parallel, Target: t, FailFast: f.FailFast,
		Done: func(r Result) {
			if f.Verbose || r.Status != Passed {
				WriteResult(progress, r)
			}
		},
	})
	took := time.Since(start)
	if f.JSON {
		err = WriteJSON(stdout, name, f.Seed, results, took)
	}
	if err == nil && f.JUnit != "" {
		err = writeFile(f.JUnit, func(w io.Writer) error { return WriteJUnit(w, name, results, took) })
	}
	WriteSummary(progress, name, results, took)
	switch {
	case err != nil:
		return fail(ExitUsage, err)
	case Count(results, Failed) > 0:
		return ExitFailed
	case len(results) < len(cases):
		return fail(ExitFailed, fmt.Errorf("%d cases were not run: %w", len(cases)-len(results), context.Cause(ctx)))
	}
	return ExitPassed
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
