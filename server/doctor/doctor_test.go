package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/server/doctor"
)

func ask(h http.Handler, method, target string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Result()
}

// The page finds its files wherever it is mounted, with http.StripPrefix and without.
func TestMounts(t *testing.T) {
	page := doctor.Page(doctor.Options{Endpoint: `/chat/"holdfast`})
	mux := http.NewServeMux()
	mux.Handle("/doctor", page)
	mux.Handle("/doctor/", page)
	mux.Handle("/help/check/", http.StripPrefix("/help/check", page))
	mux.Handle("/help/check", http.StripPrefix("/help/check", page))
	for _, base := range []string{"/doctor", "/help/check"} {
		r := ask(mux, "GET", base+"?from=mail")
		if at := r.Header.Get("Location"); r.StatusCode != 308 || at != "./"+path.Base(base)+"/" {
			t.Errorf("%s: %d, to %q", base, r.StatusCode, at)
		}
		for name, media := range map[string]string{
			"": "text/html", "main.js": "text/javascript", "report.js": "text/javascript",
			"doctor.mjs": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml",
		} {
			r := ask(mux, "GET", base+"/"+name)
			if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), media) ||
				r.Header.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'self'; style-src 'self'") {
				t.Errorf("%s/%s: %d %v", base, name, r.StatusCode, r.Header)
			}
		}
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/doctor/", nil))
	if body := w.Body.String(); !strings.Contains(body, `data-endpoint="/chat/&#34;holdfast"`) {
		t.Errorf("the endpoint is not in the page: %s", body)
	}
	if body := w.Body.String(); strings.Contains(body, ">Demo<") || !strings.Contains(body, "docs/doctor.md") {
		t.Errorf("the links of the page: %s", body)
	}
	w = httptest.NewRecorder()
	doctor.Page(doctor.Options{Demo: "/"}).ServeHTTP(w, httptest.NewRequest("GET", "/doctor/", nil))
	if body := w.Body.String(); !strings.Contains(body, `<a id="to-demo" href="/">Demo</a>`) {
		t.Errorf("no link to the demo: %s", body)
	}
	if r := ask(mux, "POST", "/doctor/"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", r.StatusCode)
	}
}
