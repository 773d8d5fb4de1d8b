// Package suite runs conformance cases and reports how they went. It knows nothing of the protocol:
// the cases bring what they need.
package suite

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Role says what a case tests.
type Role string

// The roles.
const (
	Server Role = "server"
	Client Role = "client"
)

// The profiles. A server or client is tested for those it has; core is what every one has.
const (
	Core    = "core"
	WS      = "ws"
	SSE     = "sse"
	Poll    = "poll"
	Cluster = "cluster"
)

// Profiles lists them.
var Profiles = []string{Core, WS, SSE, Poll, Cluster}

// Case is one test of one sentence of the protocol.
type Case struct {
	// ID never changes: area/what, and @transport where the case runs over several.
	ID string
	// Requirements are those that the case tests, such as HF1-BAT-01. A failure that names none
	// counts against the first.
	Requirements []string
	// Sentence says what must be true.
	Sentence string
	// Profile is what the thing under test must have, one of Profiles. Cases of core always run.
	Profile string
	Role    Role
	// Limit bounds the case. Default 15 s.
	Limit time.Duration
	// Run is the test. It reports through T. When the context of T ends it must return soon.
	Run func(t *T)
}

// DefaultLimit bounds a case that names no limit.
const DefaultLimit = 15 * time.Second

// Set is a list of cases of which each ID is unique.
type Set []Case

var (
	caseID        = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+(@[a-z]+)?$`)
	requirementID = regexp.MustCompile(`^HF1-[A-Z]+-\d\d$`)
)

// Check finds what is wrong with the cases themselves.
func (s Set) Check() error {
	seen := map[string]bool{}
	for _, c := range s {
		switch {
		case !caseID.MatchString(c.ID):
			return fmt.Errorf("case %q: an ID is area/what or area/what@transport", c.ID)
		case seen[c.ID]:
			return fmt.Errorf("case %q is there twice", c.ID)
		case len(c.Requirements) == 0:
			return fmt.Errorf("case %q names no requirement", c.ID)
		case c.Sentence == "":
			return fmt.Errorf("case %q says no sentence", c.ID)
		case !slices.Contains(Profiles, c.Profile):
			return fmt.Errorf("case %q: %q is no profile", c.ID, c.Profile)
		case c.Run == nil:
			return fmt.Errorf("case %q does nothing", c.ID)
		}
		for _, r := range c.Requirements {
			if !requirementID.MatchString(r) {
				return fmt.Errorf("case %q: %q is no requirement", c.ID, r)
			}
		}
		seen[c.ID] = true
	}
	return nil
}

// Select returns the cases of the profiles whose ID, or one of whose requirements, the pattern
// matches. Empty profiles or an empty pattern mean all.
func (s Set) Select(profiles []string, pattern string) (Set, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern: %w", err)
	}
	for _, p := range profiles {
		if !slices.Contains(Profiles, p) {
			return nil, fmt.Errorf("%q is no profile; there are %s", p, strings.Join(Profiles, ", "))
		}
	}
	var out Set
	for _, c := range s {
		if len(profiles) > 0 && c.Profile != Core && !slices.Contains(profiles, c.Profile) {
			continue
		}
		if re.MatchString(c.ID) || slices.ContainsFunc(c.Requirements, re.MatchString) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no case matches %q in profile %s", pattern,
			cmp.Or(strings.Join(profiles, ","), "(all)"))
	}
	return out, nil
}
