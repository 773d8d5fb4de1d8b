// Package doctor serves the page on which a visitor's browser finds out what the network does to
// sessions. The diagnosis itself is holdfast/doctor in clientjs; for the command line it is
// session/client/doctor.
package doctor

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/clientjs"
)

//go:embed page
var files embed.FS

// policy allows only files and connections of this server, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Options are those of [Page]. The zero value takes every default.
type Options struct {
	// Endpoint is the URL path of the Server, on the same host as the page. Default: /holdfast.
	Endpoint string
	// Demo is where the page links to, beside its documentation: the URL path of the demo page.
	// Default: no link.
	Demo string
}

// Page serves the page and its files. It works under any URL path, with and without a slash at the
// end: mount it for that path and for everything below it. It has no secrets and shows nothing
// about the server, so everybody may open it. Each check starts about ten short sessions, which
// count for the limits of the address. The host must be that of the endpoint.
func Page(o Options) http.Handler {
	if o.Endpoint == "" {
		o.Endpoint = "/holdfast"
	}
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	var index bytes.Buffer
	if err := template.Must(template.ParseFS(page, "index.html")).Execute(&index, o); err != nil {
		panic(err) // a string fits everywhere
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		asked := r.URL.Path
		if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
			asked = u.Path // http.StripPrefix hides whether there was a slash
		}
		switch name := path.Base(asked); {
		case strings.HasSuffix(asked, "/"):
			serve(w, r, "index.html", index.Bytes())
		case name == "doctor.mjs":
			serve(w, r, "doctor.js", clientjs.Doctor)
		default:
			content, err := fs.ReadFile(page, name)
			if err != nil || name == "index.html" { // the page without the slash: its files are below it
				h.Set("Location", "./"+url.PathEscape(name)+"/")
				w.WriteHeader(http.StatusPermanentRedirect)
				return
			}
			serve(w, r, name, content)
		}
	})
}

func serve(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
