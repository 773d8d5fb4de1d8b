package script

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// TestKilledBeforeItBegins checks a stream that a case kills after it was opened and before it has
// begun. It must break like any other, because the client must not wait for it.
func TestKilledBeforeItBegins(t *testing.T) {
	ends := suite.Case{
		ID: "test/kill", Requirements: []string{"HF1-ATT-01"}, Limit: 5 * time.Second,
		Run: func(t *suite.T) {
			s := New(t)
			s.Alter = func(*Request, *Reply) { s.Live(SSE).Kill() }
			batch := "@1 0\n" + wire.JSON("!open",
				map[string]any{
					"v": []int{1}, "lim": map[string]int{"maxBatch": 65536}, "key": strings.Repeat("A", 43),
					"att": 1, "u": 1, "recv": 0,
				})
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL,
				strings.NewReader(wire.WrapBody("stream", "0123456789abcdef", batch)))
			if err != nil {
				t.Fatalf("%v", err)
			}
			r.Header.Set("Content-Type", "text/plain")
			r.Header.Set("Accept", "text/event-stream")
			answer, err := http.DefaultClient.Do(r)
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				_ = answer.Body.Close()
			}
			if t.Context().Err() != nil || err == nil {
				t.Fatalf("not broken: %v", err)
			}
			s.Do(func() {
				if s.Opens != 1 {
					s.Fault("HF1-ATT-01", "%d opens", s.Opens)
				}
			})
		},
	}
	for _, r := range suite.Run(t.Context(), suite.Set{ends}, suite.Options{}) {
		if r.Status != suite.Passed {
			t.Errorf("%s %s\n%s", r.Status, r.Message, strings.Join(r.Log, "\n"))
		}
	}
}
