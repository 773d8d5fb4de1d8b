package cases

import (
	"os"
	"testing"

	"github.com/holdfast-rt/holdfast/conformance/spec"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func TestEachMustHasACase(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := spec.Parse(string(doc))
	if err != nil {
		t.Fatal(err)
	}
	set, err := Client()
	if err != nil {
		t.Fatal(err)
	}
	missing, err := spec.Uncovered(all, suite.Client, set, nil)
	if err != nil {
		t.Error(err)
	}
	for _, id := range missing {
		t.Errorf("%s binds clients and has no case", id)
	}
	if missing, err = spec.Uncovered(all, suite.Client, set[:1], nil); err != nil || len(missing) < 50 {
		t.Errorf("with one case alone %d are missing, %v: this test cannot fail", len(missing), err)
	}
}
