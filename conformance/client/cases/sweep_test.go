package cases

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/middlebox"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func cutsOf(seed uint64, step int64) []middlebox.Cut {
	w := &world{T: &suite.T{Rand: rand.New(rand.NewPCG(seed, 1))}, target: &client.Target{Sweep: step}}
	return w.cuts([]middlebox.Count{{Up: 1000, Down: 7}, {Up: 3, Down: 5}, {Up: 1400}}, true)
}

// TestCuts checks that a sweep cuts at every byte of one direction, or at as many as a case has
// time for, and that other seeds cut at other bytes.
func TestCuts(t *testing.T) {
	all := map[middlebox.Cut]bool{}
	for _, c := range cutsOf(1, 1) {
		if all[c] = true; !c.Up || c.Byte >= []int64{1000, 3, 1400}[c.Conn-1] {
			t.Errorf("%s is no byte that went up", c)
		}
	}
	if len(all) != 2403 {
		t.Errorf("%d different cuts of 2403", len(all))
	}
	few, other := cutsOf(1, 0), cutsOf(2, 0)
	if len(few) < sweepCuts || len(few) > sweepCuts+1 {
		t.Errorf("%d cuts", len(few))
	}
	if !slices.Equal(few, cutsOf(1, 0)) {
		t.Error("the same seed cuts elsewhere")
	}
	if slices.ContainsFunc(few, func(c middlebox.Cut) bool { return slices.Contains(other, c) }) {
		t.Error("another seed cuts at the same bytes")
	}
}
