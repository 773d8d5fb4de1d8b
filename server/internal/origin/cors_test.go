package origin

import (
	"net/http"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	const listed = "https://Listed.example"
	tests := []struct {
		name        string
		credentials bool
		headers     []string
		known       Known
		origin      string
		withCookies string
	}{
		{"listed", false, []string{"Origin: " + listed}, Known{}, listed, ""},
		{"listed, credentials", true, []string{"Origin: " + listed}, Known{}, listed, "true"},
		{
			"bound", true,
			[]string{"Origin: https://b.example"},
			Known{Bound: "https://b.example"},
			"https://b.example", "true",
		},
		{"same host", true, []string{"Origin: https://app.example"}, Known{}, "", ""},
		{
			"same origin", true,
			[]string{"Origin: https://front.example", "Sec-Fetch-Site: same-origin"},
			Known{},
			"", "",
		},
		{"none", true, nil, Known{}, "", ""},
		{"refused", true, []string{"Origin: https://evil.example"}, Known{}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := newPolicy(t, Options{Allowed: []string{listed}, Credentials: tt.credentials})
			h := http.Header{"Vary": {"Accept"}}
			p.CORS(h, p.Check(request("app.example", false, tt.headers...), tt.known))
			if got := h.Get("Access-Control-Allow-Origin"); got != tt.origin {
				t.Errorf("Allow-Origin %q, want %q", got, tt.origin)
			}
			if got := h.Get("Access-Control-Allow-Credentials"); got != tt.withCookies {
				t.Errorf("Allow-Credentials %q, want %q", got, tt.withCookies)
			}
			if got := strings.Join(h.Values("Vary"), ", "); got != "Accept, Origin" {
				t.Errorf("Vary %q", got)
			}
		})
	}
	t.Run("in band", func(t *testing.T) {
		p, _ := newPolicy(t, Options{})
		h := http.Header{}
		p.CORS(h, p.Check(request("app.example", true, "Origin: https://evil.example"), Known{}))
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v", h)
		}
	})
}
