// Package demo is what the binary shows: a page that sends, and an application that echoes.
package demo

import (
	"context"
	"embed"
	"io/fs"
	"net/http"

	"github.com/holdfast-rt/holdfast/session"
)

//go:embed page
var files embed.FS

// policy allows only files and connections of this server, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page serves the demo page. It expects the endpoint at /holdfast and the client at /holdfast.js,
// and links to the doctor at /doctor/.
func Page() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	next := http.FileServerFS(page)
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
		next.ServeHTTP(w, r)
	})
}

// Echo is the application: it sends every message back. If a client does not read the echoes, Echo
// waits. Then the client's messages stay unacknowledged, and its window stops it.
func Echo(s *session.Session) {
	s.OnMessage(func(m session.Message) {
		_, _ = s.Send(context.Background(), m) // fails when the session has ended: then nobody needs the message
	})
}
