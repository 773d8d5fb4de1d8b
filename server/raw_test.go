package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Requests of tests without the client: bodies written by hand.

const (
	keyA  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	keyB  = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"
	nonce = "3q2-7wAAAAAAAAAA"
)

// openLine opens attachment att of keyA's session.
func openLine(att int) string {
	return fmt.Sprintf(`!open {"v":[1],"key":"%s","att":%d,"u":%d,"recv":0,"lim":{"maxBatch":65536}}`, keyA, att, att)
}

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) refused(reason string) bool {
	return a.status == 200 && strings.Contains(a.body, "\n!refused {") &&
		strings.Contains(a.body, fmt.Sprintf(`"reason":%q`, reason))
}

// field reads a string field of the answer's JSON, without a parser.
func (a answer) field(name string) string {
	_, rest, _ := strings.Cut(a.body, fmt.Sprintf("%q:\"", name))
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func (a answer) String() string { return fmt.Sprintf("%d %v %q", a.status, a.header, a.body) }

// post sends a body of this kind with one batch of these lines; edit may change the request.
func (h *harness) post(t *testing.T, kind, lines string, edit func(*http.Request)) answer {
	t.Helper()
	return h.send(t, "holdfast/1 "+kind+" "+nonce+"\n@1 0\n"+lines+"\n.\n", edit)
}

// send posts a body as it is.
func (h *harness) send(t *testing.T, text string, edit func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.net.URL, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	if edit != nil {
		edit(r)
	}
	return h.do(t, r)
}

func (h *harness) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	resp, err := h.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}
