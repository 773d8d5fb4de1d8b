package cases

import "github.com/holdfast-rt/holdfast/conformance/suite"

// Client returns the cases for clients.
func Client() (suite.Set, error) {
	all, err := batchCases()
	if err != nil {
		return nil, err
	}
	net, err := networkCases()
	if err != nil {
		return nil, err
	}
	for _, more := range []suite.Set{
		sendingCases(), numberCases(), webCases(), pollCases(), chooseCases(),
		aliveCases(), closeCases(), net, sweepCases(),
	} {
		all = append(all, more...)
	}
	return all, all.Check()
}
