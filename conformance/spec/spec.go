// Package spec reads the requirements from docs/protocol.md, and writes the table of what is tested
// where.
package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// Requirement is one requirement of docs/protocol.md.
type Requirement struct {
	ID   string
	Must string // who is bound by a MUST in it: some of C, S
	Text string
}

// Binds reports whether one of its MUSTs binds that role.
func (r Requirement) Binds(role suite.Role) bool {
	return strings.Contains(r.Must, map[suite.Role]string{suite.Server: "S", suite.Client: "C"}[role])
}

var (
	item  = regexp.MustCompile(`^- \*\*(HF1-[A-Z]+-\d\d)\*\* (.*)`)
	level = regexp.MustCompile(`\bMUST ([CSB])\b`)
)

// Parse finds the requirements of a protocol document.
func Parse(doc string) ([]Requirement, error) {
	var all []Requirement
	seen := map[string]bool{}
	open := false // the lines that follow belong to the last one
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, "\n")
		if m := item.FindStringSubmatch(line); m != nil {
			if seen[m[1]] {
				return nil, fmt.Errorf("%s is there twice", m[1])
			}
			seen[m[1]], open = true, true
			all = append(all, Requirement{ID: m[1], Text: m[2]})
			continue
		}
		if open = open && strings.HasPrefix(line, "  "); open {
			all[len(all)-1].Text += " " + strings.TrimSpace(line)
		}
	}
	for i := range all {
		for _, m := range level.FindAllStringSubmatch(all[i].Text, -1) {
			who := m[1]
			if who == "B" {
				who = "CS"
			}
			for _, w := range who {
				if !strings.ContainsRune(all[i].Must, w) {
					all[i].Must += string(w)
				}
			}
		}
	}
	if len(all) < 50 {
		return nil, fmt.Errorf("only %d requirements: this is not docs/protocol.md, or its form has changed", len(all))
	}
	return all, nil
}

// Cases finds the cases of a requirement, sorted, each by its name without the transport.
func Cases(set suite.Set, id string) []string {
	var names []string
	for _, c := range set {
		name, _, _ := strings.Cut(c.ID, "@")
		if slices.Contains(c.Requirements, id) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Uncovered lists the requirements with a MUST for the role that neither a case nor a reason
// covers. Its error says what is wrong with the reasons.
func Uncovered(all []Requirement, role suite.Role, set suite.Set, reasons map[string]string) (missing []string,
	err error,
) {
	known := map[string]bool{}
	for _, r := range all {
		known[r.ID] = true
		if !r.Binds(role) {
			continue
		}
		cases, reason := Cases(set, r.ID), reasons[r.ID]
		switch {
		case len(cases) > 0 && reason != "":
			return nil, fmt.Errorf("%s has cases and a reason why it has none", r.ID)
		case len(cases) == 0 && reason == "":
			missing = append(missing, r.ID)
		}
	}
	for id := range reasons {
		if !known[id] {
			return nil, fmt.Errorf("a reason is given for %s, which docs/protocol.md does not have", id)
		}
	}
	for _, c := range set {
		for _, id := range c.Requirements {
			if !known[id] {
				return nil, fmt.Errorf("the case %s names %s, which docs/protocol.md does not have", c.ID, id)
			}
		}
	}
	return missing, nil
}
