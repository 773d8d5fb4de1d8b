package doctor

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Severity says how much a finding matters. The report has one of these three words.
type Severity string

const (
	Fault   Severity = "fault"   // a transport does not carry sessions
	Warning Severity = "warning" // it does, but slower or with losses of connections
	Note    Severity = "note"    // worth knowing when something fails
)

// A Verdict is the result for all transports together.
type Verdict string

const (
	Good     Verdict = "good"     // every transport carries a session
	Degraded Verdict = "degraded" // a session works, but not over every transport, or not as it should
	Blocked  Verdict = "blocked"  // no session works
)

// Report is what a diagnosis has found. It has no secrets: no key or run of a session, no cookie,
// no query of the URL.
type Report struct {
	URL        string      `json:"url"` // without user and query
	Began      time.Time   `json:"began"`
	Took       int64       `json:"tookMs"`
	Long       bool        `json:"long"`
	Verdict    Verdict     `json:"verdict"`
	Summary    string      `json:"summary"`
	Transports []Transport `json:"transports"` // the best first
	Findings   []Finding   `json:"findings"`   // the most severe first
	Facts      []Fact      `json:"facts"`
	NotTested  []string    `json:"notTested"` // what this run could not test
}

// Transport is the result of the session over one transport.
type Transport struct {
	Name    string `json:"name"`
	State   string `json:"state"`             // "fits", "impaired" (it carries a session, but not well) or "fails"
	Session string `json:"session,omitempty"` // the session's public id
	Opened  int64  `json:"openedMs"`          // until the first batch of the server; -1: it never came
	RTT     int64  `json:"rttMs"`             // round trip of a ping; -1: unknown
	Watched int64  `json:"watchedMs"`         // how long it was seen to work
}

// Finding is one thing that the network does, or that is wrong at the client or the server.
type Finding struct {
	ID       string            `json:"id"` // docs/doctor.md has them all
	Severity Severity          `json:"severity"`
	Title    string            `json:"title"`
	Evidence []string          `json:"evidence"` // what was seen, never empty
	Advice   string            `json:"advice"`
	Config   map[string]string `json:"config,omitempty"` // product → the setting that corrects it
	Class    []string          `json:"class,omitempty"`  // failure modes of docs/doctor.md, as F08
}

// Fact is a measurement that is not a finding.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Has reports whether the report has a finding with this id.
func (r *Report) Has(id string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID == id })
}

//go:embed findings.json
var catalogueJSON []byte

// entry is the text of a finding, without its evidence. clientjs has a copy of the file; a test
// there keeps both the same.
type entry struct {
	Severity  Severity          `json:"severity"`
	Transport string            `json:"transport"`
	Class     []string          `json:"class"`
	Title     string            `json:"title"`
	Advice    string            `json:"advice"`
	Config    map[string]string `json:"config"`
}

func readCatalogue() map[string]entry {
	var c map[string]entry
	if err := json.Unmarshal(catalogueJSON, &c); err != nil {
		panic(err) // it is part of the program
	}
	return c
}

const (
	maxEvidence = 8   // lines of one finding; more would only repeat them
	maxLine     = 240 // runes of a line
)

// find records a finding, or more evidence for it. The same evidence is kept once.
func (d *diagnosis) find(id string, evidence string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.catalogue[id]
	if !ok {
		panic("doctor: no finding " + id)
	}
	if d.query != "" { // many pages repeat the URL of the request
		evidence = strings.ReplaceAll(evidence, d.query, "…")
	}
	evidence = clean(evidence, maxLine)
	for i := range d.findings {
		f := &d.findings[i]
		if f.ID != id {
			continue
		}
		if len(f.Evidence) < maxEvidence && !slices.Contains(f.Evidence, evidence) {
			f.Evidence = append(f.Evidence, evidence)
		}
		return
	}
	d.findings = append(d.findings, Finding{
		ID: id, Severity: e.Severity, Title: e.Title, Evidence: []string{evidence}, Advice: e.Advice, Config: e.Config,
		Class: e.Class,
	})
}

// fact records a measurement; the first with a name stays.
func (d *diagnosis) fact(name, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.ContainsFunc(d.facts, func(f Fact) bool { return f.Name == name }) {
		d.facts = append(d.facts, Fact{name, clean(value, maxLine)})
	}
}

// untested records what could not be tested.
func (d *diagnosis) untested(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.notTested, what) {
		d.notTested = append(d.notTested, what)
	}
}

// clean makes a received text safe to print: one line, no control characters, at most n runes.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e,
			r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > n {
		s = string(runes[:n-1]) + "…"
	}
	return strings.TrimSpace(s)
}

var order = map[Severity]int{Fault: 0, Warning: 1, Note: 2}

// report puts everything together.
func (d *diagnosis) report() *Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &Report{
		URL: d.shown, Began: d.began.UTC(), Took: ms(time.Since(d.began)), Long: d.o.Long,
		Findings: slices.Clone(d.findings), Facts: slices.Clone(d.facts), NotTested: slices.Clone(d.notTested),
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return order[a.Severity] - order[b.Severity] })
	carried, fit := 0, 0
	for _, t := range d.results {
		if t.State != fails {
			carried++
		}
		if t.State == fits {
			fit++
		}
		r.Transports = append(r.Transports, *t)
	}
	switch {
	case fit == len(r.Transports):
		r.Verdict, r.Summary = Good, "Every transport carries a session here."
	case carried > 0:
		r.Verdict, r.Summary = Degraded, "A session works here, though not over every transport as it should."
	case d.refused:
		r.Verdict, r.Summary = Blocked,
			"The server can be reached and refuses a session: this is no matter of the network."
	default:
		r.Verdict, r.Summary = Blocked, "No session works here: nothing gets through."
	}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	if r.Facts == nil {
		r.Facts = []Fact{}
	}
	if r.NotTested == nil {
		r.NotTested = []string{}
	}
	return r
}

func ms(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
