package cases

import (
	"os"
	"testing"

	"github.com/holdfast-rt/holdfast/conformance/spec"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func TestEachMustHasACase(t *testing.T) {
	doc, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := spec.Parse(string(doc))
	if err != nil {
		t.Fatal(err)
	}
	set, err := Server()
	if err != nil {
		t.Fatal(err)
	}
	missing, err := spec.Uncovered(all, suite.Server, set, Unobservable)
	if err != nil {
		t.Error(err)
	}
	for _, id := range missing {
		t.Errorf("%s binds servers and has no case", id)
	}
	if missing, err = spec.Uncovered(all, suite.Server, set[:1], nil); err != nil || len(missing) < 60 {
		t.Errorf("with one case alone %d are missing, %v: this test cannot fail", len(missing), err)
	}
}
