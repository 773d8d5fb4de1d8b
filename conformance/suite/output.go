package suite

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteResult shows one result to people: a line, and for a failure the sentence, what was seen and
// the end of the log.
func WriteResult(w io.Writer, r Result) {
	switch r.Status {
	case Passed:
		fmt.Fprintf(w, "ok    %-44s %6.2fs\n", r.Case.ID, r.Took.Seconds())
	case Skipped:
		fmt.Fprintf(w, "skip  %-44s %s\n", r.Case.ID, r.Message)
	case Failed:
		fmt.Fprintf(w, "FAIL  %s  breaks %s\n", r.Case.ID, r.Requirement)
		fmt.Fprintf(w, "      must:  %s\n      saw:   %s\n", r.Case.Sentence, r.Message)
		for _, l := range r.Log[max(0, len(r.Log)-25):] {
			fmt.Fprintf(w, "      | %s\n", l)
		}
	}
}

// WriteSummary shows the broken requirements, and the counts: its last line is "NAME: N passed, N
// failed".
func WriteSummary(w io.Writer, name string, results []Result, took time.Duration) {
	broken := map[string][]string{}
	var order []string
	for _, r := range results {
		if r.Status == Failed {
			if broken[r.Requirement] == nil {
				order = append(order, r.Requirement)
			}
			broken[r.Requirement] = append(broken[r.Requirement], r.Case.ID)
		}
	}
	for _, id := range order {
		fmt.Fprintf(w, "%s is broken: %s\n", id, strings.Join(broken[id], ", "))
	}
	fmt.Fprintf(w, "%d cases in %.1f s, %d skipped\n", len(results), took.Seconds(), Count(results, Skipped))
	fmt.Fprintf(w, "%s: %d passed, %d failed\n", name, Count(results, Passed), Count(results, Failed))
}

// WriteList lists the cases.
func WriteList(w io.Writer, cases Set) {
	for _, c := range cases {
		fmt.Fprintf(w, "%-44s %-4s %-24s %s\n", c.ID, c.Profile, strings.Join(c.Requirements, ","), c.Sentence)
	}
}

type jsonResult struct {
	Case         string   `json:"case"`
	Requirements []string `json:"requirements"`
	Profile      string   `json:"profile"`
	Sentence     string   `json:"sentence"`
	Status       Status   `json:"status"`
	Broken       string   `json:"broken,omitempty"`
	Message      string   `json:"message,omitempty"`
	Seconds      float64  `json:"seconds"`
	Log          []string `json:"log,omitempty"`
}

// WriteJSON writes the results as one JSON object.
func WriteJSON(w io.Writer, name string, seed uint64, results []Result, took time.Duration) error {
	out := struct {
		Suite   string       `json:"suite"`
		Seed    uint64       `json:"seed"`
		Seconds float64      `json:"seconds"`
		Passed  int          `json:"passed"`
		Failed  int          `json:"failed"`
		Skipped int          `json:"skipped"`
		Results []jsonResult `json:"results"`
	}{
		Suite: name, Seed: seed, Seconds: took.Seconds(),
		Passed: Count(results, Passed), Failed: Count(results, Failed), Skipped: Count(results, Skipped),
		Results: []jsonResult{},
	}
	for _, r := range results {
		c := r.Case
		out.Results = append(out.Results, jsonResult{
			c.ID, c.Requirements, c.Profile, c.Sentence, r.Status, r.Requirement, r.Message, r.Took.Seconds(), r.Log,
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Skipped *junitFailure `xml:"skipped,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the results as a JUnit report.
func WriteJUnit(w io.Writer, name string, results []Result, took time.Duration) error {
	type suite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	out := suite{
		Name: name, Tests: len(results), Failures: Count(results, Failed), Skipped: Count(results, Skipped),
		Time: seconds(took),
	}
	for _, r := range results {
		area, what, _ := strings.Cut(r.Case.ID, "/")
		c := junitCase{Class: name + "." + area, Name: what, Time: seconds(r.Took)}
		switch r.Status {
		case Failed:
			c.Failure = &junitFailure{
				r.Requirement + ": " + r.Message, r.Case.Sentence + "\n" + strings.Join(r.Log, "\n"),
			}
		case Skipped:
			c.Skipped = &junitFailure{Message: r.Message}
		case Passed:
		}
		out.Cases = append(out.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	return e.Encode(out)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
