// Package cases holds the cases for servers: some are data in *.yaml, the others are in Go, one
// file for each area.
package cases

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Server returns the cases for servers.
func Server() (suite.Set, error) {
	all, err := scripts()
	if err != nil {
		return nil, err
	}
	all = slices.Concat(all, numberCases(), windowCases(), attachCases(), whoCases(), selectCases(), pollCases(),
		streamCases(), socketCases(), liveCases(), closeCases(), errorCases(), httpCases())
	return all, all.Check()
}

// transports are those that a case runs over, one by one.
var transports = []string{suite.WS, suite.SSE, suite.Poll}

// each makes a case for each transport. At the end it judges everything that the server sent, also
// what the case did not look at.
func each(id, says string, checks []string, run func(t *suite.T, s *server.Session, kind string),
	only ...string,
) suite.Set {
	var set suite.Set
	for _, kind := range transports {
		if len(only) > 0 && !slices.Contains(only, kind) {
			continue
		}
		set = append(set, suite.Case{
			ID: id + "@" + kind, Requirements: checks, Sentence: says, Profile: kind, Role: suite.Server,
			Run: func(t *suite.T) {
				s := server.NewSession(t)
				run(t, s, kind)
				s.Check()
			},
		})
	}
	return set
}

// within gives cases more time than the default.
func within(limit int, set suite.Set) suite.Set {
	for i := range set {
		set[i].Limit = time.Duration(limit) * time.Second
	}
	return set
}

// blame fails the case with an error, and with the requirement that the error names.
func blame(t *suite.T, err error) {
	var w *wire.Error
	switch {
	case err == nil:
	case errors.As(err, &w):
		t.Break(w.Requirement, "%s", w.Text)
	default:
		t.Fatalf("%v", err)
	}
}
