// Package mutants shows that the suite catches bugs. It builds servers and clients that each break
// one rule, and lets the suite judge them. A mutant is an edit of our sources. It is applied to a
// copy that only `go build -overlay` sees, and an environment variable switches it on when the
// program runs. For the JavaScript client it is an edit of the bundle. Nothing of this is in what
// we ship.
package mutants

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Mutant is one rule broken by one edit.
type Mutant struct {
	ID          string `json:"id"`
	Of          string `json:"of"` // server, go (the client), js (the client)
	Requirement string `json:"requirement"`
	File        string `json:"file"` // from the repository's root
	Old         string `json:"old"`  // must be there exactly once
	New         string `json:"new"`  // {m} is true only in the mutant
}

//go:embed mutants.json
var list []byte

// All lists the mutants.
func All() ([]Mutant, error) {
	var all []Mutant
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("mutants.json: %w", err)
	}
	seen := map[string]bool{}
	for _, m := range all {
		if m.ID == "" || seen[m.ID] || m.Requirement == "" || (m.Of != "js") != strings.Contains(m.New, "{m}") {
			return nil, fmt.Errorf("mutants.json: %q is there twice, names no requirement or has no switch", m.ID)
		}
		seen[m.ID] = true
	}
	return all, nil
}

// edit applies a mutant to a text.
func (m Mutant) edit(text, original string) (string, error) {
	if n := strings.Count(original, m.Old); n != 1 {
		return "", fmt.Errorf("mutant %s: its old text is in %s %d times, not once: make the same edit anew", m.ID,
			m.File, n)
	}
	return strings.Replace(text, m.Old, strings.ReplaceAll(m.New, "{m}", fmt.Sprintf("mutantIs(%q)", m.ID)), 1), nil
}

// overlay writes the edited copies of the mutants of one program into a folder, and the file that
// makes go build use them.
func overlay(root, folder string, all []Mutant) (string, error) {
	texts, packages := map[string]string{}, map[string]string{}
	for _, m := range all {
		name := filepath.Join(root, m.File)
		original, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if texts[name] == "" {
			texts[name] = string(original)
			packages[filepath.Dir(name)] = packageOf(string(original))
		}
		if texts[name], err = m.edit(texts[name], string(original)); err != nil {
			return "", err
		}
	}
	for dir, name := range packages {
		texts[filepath.Join(dir, "zz_mutant.go")] = "package " + name +
			"\n\nimport \"os\"\n\nvar mutantID = os.Getenv(\"HOLDFAST_MUTANT\")\n\n" +
			"func mutantIs(id string) bool { return id == mutantID }\n"
	}
	replace := map[string]string{}
	for name, text := range texts {
		to := filepath.Join(folder, fmt.Sprintf("%d-%s", len(replace), filepath.Base(name)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[name] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	to := filepath.Join(folder, "overlay.json")
	return to, os.WriteFile(to, b, 0o600)
}

func packageOf(text string) string {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "package "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}
