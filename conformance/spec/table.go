package spec

import (
	"fmt"
	"strings"

	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// Tested is what is tested of one role.
type Tested struct {
	Role    suite.Role
	Cases   suite.Set
	Reasons map[string]string   // why a MUST has no case
	Mutants map[string][]string // by requirement, nil while there are none
}

// The lines around the table in docs/conformance.md.
const (
	begin = "<!-- table: written by `go test ./conformance/cmd/holdfast-conformance -update` -->\n"
	end   = "<!-- end of the table -->\n"
)

// Replace puts the table into the document instead of the old one.
func Replace(doc, table string) (string, error) {
	head, rest, found := strings.Cut(doc, begin)
	_, tail, also := strings.Cut(rest, end)
	if !found || !also {
		return "", fmt.Errorf("the document has no lines %q and %q", begin, end)
	}
	return head + begin + table + end + tail, nil
}

// Table writes, for each requirement with a MUST, its cases and the mutants that they fail.
func Table(all []Requirement, tested []Tested) string {
	var b strings.Builder
	b.WriteString("\n| requirement | binds | cases for servers | cases for clients | mutants |\n" +
		"|---|---|---|---|---|\n")
	for _, r := range all {
		if r.Must == "" {
			continue
		}
		var cases, mutants []string
		for _, t := range tested {
			names := Cases(t.Cases, r.ID)
			if len(names) == 0 && t.Reasons[r.ID] != "" && r.Binds(t.Role) {
				names = []string{"— (below)"}
			}
			cases = append(cases, strings.Join(names, ", "))
			mutants = append(mutants, t.Mutants[r.ID]...)
		}
		binds := map[string]string{"C": "client", "S": "server"}[r.Must]
		if binds == "" {
			binds = "both"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.ID, binds, strings.Join(cases, " | "), strings.Join(mutants, ", "))
	}
	b.WriteString("\nNot observable from outside:\n\n| requirement | role | why |\n|---|---|---|\n")
	for _, t := range tested {
		for _, r := range all {
			if why := t.Reasons[r.ID]; why != "" {
				fmt.Fprintf(&b, "| %s | %s | %s |\n", r.ID, t.Role, why)
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}
