package server

import (
	"net/http"
	"strconv"

	"github.com/holdfast-rt/holdfast/server/internal/origin"
	"github.com/holdfast-rt/holdfast/transport"
)

// bundle serves the browser client. It is not secret; CORS lets listed Origins load it as a module.
func (s *Server) bundle(w http.ResponseWriter, r *http.Request, script []byte) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	transport.SetHeaders(h)
	s.origins.CORS(h, s.origins.Check(r, origin.Known{TrustedProxy: s.proxies.Trusts(r)}))
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(script)))
	_, _ = w.Write(script) // net/http drops it for HEAD
}
