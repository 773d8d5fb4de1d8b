// Package cases holds the cases of the server's role: those that are data in *.yaml, the others by area.
package cases

import "github.com/holdfast-rt/holdfast/conformance/suite"

// Server returns the cases for servers.
func Server() (suite.Set, error) {
	var all suite.Set
	all = append(all, httpCases()...)
	return all, all.Check()
}
