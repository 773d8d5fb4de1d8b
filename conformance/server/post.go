package server

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Reply is the answer to a POST.
type Reply struct {
	Status int
	Header http.Header
	Raw    []byte
	Err    error // no answer, or one that did not end
}

// maxReply bounds what is read of an answer: the largest batch there is, and what surrounds it.
const maxReply = 1<<20 + 4096

// Post sends a body as it is. Header may be nil.
func (t *Target) Post(ctx context.Context, body string, header http.Header) *Reply {
	return t.Request(ctx, http.MethodPost, "", body, header)
}

// Request sends any request to the endpoint. An empty method is POST, a query begins with ?.
func (t *Target) Request(ctx context.Context, method, query, body string, header http.Header) *Reply {
	resp, err := t.request(ctx, method, query, body, header)
	if err != nil {
		return &Reply{Err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Raw: raw, Err: err}
}

func (t *Target) request(ctx context.Context, method, query, body string, header http.Header) (*http.Response, error) {
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, t.Endpoint.String()+query, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return t.http.Do(r)
}

// Body parses the answer, strictly. The error may be a *wire.Error.
func (r *Reply) Body(kind, nonce string) (*wire.Batch, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	if r.Status != http.StatusOK {
		return nil, &wire.Error{
			Requirement: "HF1-HTTP-03",
			Text:        "status " + http.StatusText(r.Status) + " where the protocol has an answer",
		}
	}
	if err := checkHeaders(r.Header, "text/plain; charset=utf-8"); err != nil {
		return nil, err
	}
	b, err := wire.ParseBody(r.Raw)
	if err != nil {
		return nil, err
	}
	if b.Kind != kind || b.Nonce != nonce {
		return nil, &wire.Error{
			Requirement: "HF1-HTTP-01",
			Text: "the reply repeats kind " + b.Kind + " and nonce " + b.Nonce + ", not " + kind + " and " +
				nonce,
		}
	}
	return b.Batch, nil
}

// checkHeaders checks the headers of a body or a stream.
func checkHeaders(h http.Header, media string) error {
	if got := strings.ToLower(strings.ReplaceAll(h.Get("Content-Type"), " ", "")); got != strings.ReplaceAll(media, " ",
		"") {
		return &wire.Error{Requirement: "HF1-HTTP-03", Text: "Content-Type " + h.Get("Content-Type")}
	}
	if !hasDirective(h, "no-transform") {
		return &wire.Error{
			Requirement: "HF1-HTTP-05", Text: "Cache-Control without no-transform: " + h.Get("Cache-Control"),
		}
	}
	return CheckAnyHeaders(h)
}

// CheckAnyHeaders checks the headers that each answer must have (HF1-HTTP-05).
func CheckAnyHeaders(h http.Header) error {
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := h.Get(name); !strings.EqualFold(got, want) {
			return &wire.Error{Requirement: "HF1-HTTP-05", Text: name + " is " + got + ", not " + want}
		}
	}
	if !hasDirective(h, "no-store") {
		return &wire.Error{
			Requirement: "HF1-HTTP-05", Text: "Cache-Control without no-store: " + h.Get("Cache-Control"),
		}
	}
	return nil
}

func hasDirective(h http.Header, want string) bool {
	for _, v := range h.Values("Cache-Control") {
		for d := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(d), want) {
				return true
			}
		}
	}
	return false
}
