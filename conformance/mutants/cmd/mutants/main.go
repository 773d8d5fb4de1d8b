// Command mutants shows that the conformance suite catches bugs: each of the broken servers and
// clients must fail a case that names the requirement it breaks.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/mutants"
)

func main() {
	pattern := flag.String("run", "",
		"run the mutants whose `PATTERN` (a regular expression) matches ID or requirement")
	parallel := flag.Int("parallel", 6, "how many mutants are judged at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, *pattern, *parallel)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, pattern string, parallel int) int {
	fail := func(err error) int {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		return 2
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fail(err)
	}
	all, err := mutants.All()
	if err != nil {
		return fail(err)
	}
	all = slices.DeleteFunc(all, func(m mutants.Mutant) bool {
		return !re.MatchString(m.ID) && !re.MatchString(m.Requirement)
	})
	root, err := filepath.Abs(".")
	if err != nil || len(all) == 0 {
		return fail(fmt.Errorf("no mutant matches %q: %w", pattern, err))
	}
	start := time.Now()
	killed, survived, err := mutants.Run(ctx, root, all, parallel, func(v mutants.Verdict) {
		switch {
		case v.Err != nil:
			fmt.Printf("ERROR     %-24s %-12s %v\n", v.ID, v.Requirement, v.Err)
		case v.Killed:
			fmt.Printf("killed    %-24s %-12s %4.1fs  %.150s\n", v.ID, v.Requirement, v.Took.Seconds(), v.By)
		default:
			fmt.Printf("SURVIVED  %-24s %-12s %4.1fs\n", v.ID, v.Requirement, v.Took.Seconds())
		}
	})
	if err != nil {
		return fail(err)
	}
	fmt.Printf("%d mutants in %.0f s\nmutants: %d passed, %d failed\n", len(all), time.Since(start).Seconds(), killed,
		survived)
	if survived > 0 {
		return 1
	}
	return 0
}
