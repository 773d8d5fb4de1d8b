package suite

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Status is how a case went.
type Status string

// The statuses. Skipped is no verdict: the thing under test is set up in a way that hides what the
// case looks at.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Result is how one case went.
type Result struct {
	Case        *Case
	Status      Status
	Requirement string // the requirement that is broken
	Message     string // what was seen, or why it was skipped
	Log         []string
	Took        time.Duration
}

// Options says how to run.
type Options struct {
	// Seed makes the random choices of the cases repeatable.
	Seed uint64
	// Parallel bounds the cases that run at a time. Default 16.
	Parallel int
	// Target is passed to the cases.
	Target any
	// Strict counts skipped cases as failed.
	Strict bool
	// FailFast ends the run after the first failure.
	FailFast bool
	// Done is called with each result as it comes, by one goroutine at a time.
	Done func(Result)
}

// Run runs the cases, those with the longest limit first, and returns their results in the order of
// the cases. A case that had not started when ctx ended has no result.
func Run(ctx context.Context, cases Set, opt Options) []Result {
	if opt.Parallel <= 0 {
		opt.Parallel = 16
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(cases[b].limit() - cases[a].limit()) })

	var mu sync.Mutex
	results := make([]*Result, len(cases))
	var all sync.WaitGroup
	slots := make(chan struct{}, opt.Parallel)
	for _, i := range order {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Add(1)
		go func() {
			defer func() { <-slots; all.Done() }()
			r := runOne(ctx, &cases[i], opt)
			if opt.Strict && r.Status == Skipped {
				r.Status, r.Requirement = Failed, r.Case.Requirements[0]
			}
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() != nil && opt.FailFast {
				return // the first failure was reported already, and has ended the others
			}
			results[i] = &r
			if opt.Done != nil {
				opt.Done(r)
			}
			if r.Status == Failed && opt.FailFast {
				cancel()
			}
		}()
	}
	all.Wait()
	var out []Result
	for _, r := range results {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}

func (c *Case) limit() time.Duration {
	if c.Limit == 0 {
		return DefaultLimit
	}
	return c.Limit
}

func runOne(ctx context.Context, c *Case, opt Options) Result {
	h := fnv.New64a()
	fmt.Fprint(h, c.ID)
	t := &T{Case: c, Target: opt.Target, Rand: rand.New(rand.NewPCG(opt.Seed, h.Sum64())), ctx: ctx}
	return t.run(c.limit())
}

// Count counts the results of a status.
func Count(results []Result, s Status) int {
	n := 0
	for _, r := range results {
		if r.Status == s {
			n++
		}
	}
	return n
}
