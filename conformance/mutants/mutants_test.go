package mutants

import (
	"os"
	"path/filepath"
	"testing"
)

// TestEditsFit finds the edits that do not fit the sources any more, without building anything.
func TestEditsFit(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Errorf("%d mutants, at least 60 are wanted", len(all))
	}
	for _, m := range all {
		text, err := os.ReadFile(filepath.Join("../..", m.File))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.edit(string(text), string(text)); err != nil {
			t.Error(err)
		}
	}
	if _, err := (Mutant{ID: "none", File: "x", Old: "not there"}).edit("", ""); err == nil {
		t.Error("an edit that does not fit was applied: this test cannot fail")
	}
}
