package cases

import (
	"net/http"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func httpCases() suite.Set {
	return suite.Set{{
		ID: "http/unparsable", Requirements: []string{"HF1-HTTP-03"}, Profile: suite.Poll, Role: suite.Server,
		Sentence: "A body that is not this protocol is answered 400.",
		Run: func(t *suite.T) {
			r := t.Target.(*server.Target).Post(t.Context(), "hello\n", nil)
			if r.Err != nil || r.Status != http.StatusBadRequest {
				t.Fatalf("status %d, %v", r.Status, r.Err)
			}
		},
	}}
}
