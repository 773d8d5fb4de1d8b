package main

import (
	"flag"
	"os"
	"testing"

	"github.com/holdfast-rt/holdfast/conformance/cases"
	client "github.com/holdfast-rt/holdfast/conformance/client/cases"
	"github.com/holdfast-rt/holdfast/conformance/mutants"
	"github.com/holdfast-rt/holdfast/conformance/spec"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

var update = flag.Bool("update", false, "write the table into docs/conformance.md")

// tested is what the table shows.
func tested(t *testing.T) []spec.Tested {
	set, err := cases.Server()
	if err != nil {
		t.Fatal(err)
	}
	clients, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	broken, err := mutants.All()
	if err != nil {
		t.Fatal(err)
	}
	byRole := map[bool]map[string][]string{true: {}, false: {}}
	for _, m := range broken {
		by := byRole[m.Of == "server"]
		by[m.Requirement] = append(by[m.Requirement], m.ID)
	}
	return []spec.Tested{
		{Role: suite.Server, Cases: set, Reasons: cases.Unobservable, Mutants: byRole[true]},
		{Role: suite.Client, Cases: clients, Mutants: byRole[false]},
	}
}

func TestTableIsUpToDate(t *testing.T) {
	protocol, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := spec.Parse(string(protocol))
	if err != nil {
		t.Fatal(err)
	}
	const name = "../../../docs/conformance.md"
	doc, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want, err := spec.Replace(string(doc), spec.Table(all, tested(t)))
	if err != nil {
		t.Fatal(err)
	}
	if want == string(doc) {
		return
	}
	if !*update {
		t.Fatal("the table in docs/conformance.md is old: go test ./conformance/cmd/holdfast-conformance -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}
