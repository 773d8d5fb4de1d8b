package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Text is the report as plain text, for a help desk to read and copy.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Holdfast doctor: %s\n", r.URL)
	fmt.Fprintf(&b, "%s, took %s\n\n", r.Began.Format(time.RFC3339), took(time.Duration(r.Took)*time.Millisecond))
	fmt.Fprintf(&b, "%s  %s\n\n", strings.ToUpper(string(r.Verdict)), r.Summary)
	for _, t := range r.Transports {
		fmt.Fprintf(&b, "  %-10s %-9s", t.Name, t.State)
		if t.Opened >= 0 {
			fmt.Fprintf(&b, " opened in %d ms", t.Opened)
		}
		if t.RTT >= 0 {
			fmt.Fprintf(&b, ", ping %d ms", t.RTT)
		}
		if t.Watched > 0 {
			fmt.Fprintf(&b, ", seen to live for %s", took(time.Duration(t.Watched)*time.Millisecond))
		}
		if t.Session != "" {
			fmt.Fprintf(&b, "\n%22s session %s", "", t.Session)
		}
		b.WriteByte('\n')
	}
	if len(r.Findings) == 0 {
		b.WriteString("\nNothing was found.\n")
	}
	for i, f := range r.Findings {
		class := ""
		if len(f.Class) > 0 {
			class = ", " + strings.Join(f.Class, " ")
		}
		fmt.Fprintf(&b, "\n%d. %s\n   [%s: %s%s]\n", i+1, f.Title, f.Severity, f.ID, class)
		for _, e := range f.Evidence {
			wrap(&b, "   seen: ", e)
		}
		wrap(&b, "   to do: ", f.Advice)
		for _, product := range products(f.Config) {
			fmt.Fprintf(&b, "     %-8s %s\n", product+":", f.Config[product])
		}
	}
	if len(r.Facts) > 0 {
		b.WriteString("\nMeasured:\n")
		for _, f := range r.Facts {
			fmt.Fprintf(&b, "  %s: %s\n", f.Name, f.Value)
		}
	}
	if len(r.NotTested) > 0 {
		b.WriteString("\nNot seen by this run:\n")
		for _, n := range r.NotTested {
			wrap(&b, "  - ", n)
		}
	}
	return b.String()
}

func products(config map[string]string) []string {
	names := make([]string, 0, len(config))
	for name := range config {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names
}

const columns = 100

// wrap writes text in lines of limited width; words are not broken.
func wrap(b *strings.Builder, indent, text string) {
	line := indent
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", utf8.RuneCountInString(indent)) + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}
