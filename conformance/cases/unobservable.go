package cases

// Unobservable says why a MUST that binds servers has no case: a client sees nothing that depends
// on it.
var Unobservable = map[string]string{
	"HF1-WHO-12": "what is logged, and how long a comparison takes, is not seen from outside; server/observe_test.go " +
		"reads the log of our own",
}
