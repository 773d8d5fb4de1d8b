package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// request is what the drop-in class puts into the meta of the session, under "websocket".
type request struct {
	// Protocols are the subprotocols that the page offers.
	Protocols []string `json:"protocols"`
	// URL is what follows the endpoint's path: path?query.
	URL string `json:"url"`

	path     string // unescaped; "" is the path of the target
	rawPath  string // as received
	rawQuery string
}

const maxProtocols = 32

// parseRequest reads a session's meta. A session without such a request asks for the target itself
// and offers no protocols.
//
// A segment with a semicolon is refused unless parameters are allowed: Tomcat and others drop what
// follows it, so they read "..;" as "..".
func parseRequest(meta []byte, parameters bool) (request, error) {
	var m struct {
		WebSocket request `json:"websocket"`
	}
	if len(meta) > 0 && meta[0] == '{' {
		if err := json.Unmarshal(meta, &m); err != nil {
			return request{}, fmt.Errorf("meta: %w", err)
		}
	}
	r := m.WebSocket
	if len(r.Protocols) > maxProtocols {
		return r, errors.New("too many protocols")
	}
	for _, name := range r.Protocols {
		if !isToken(name) {
			return r, errors.New("a protocol is no token")
		}
	}
	for i := range len(r.URL) { // it will be part of a request line
		if c := r.URL[i]; c <= ' ' || c > '~' || c == '#' {
			return r, errors.New("a character in the URL that must be escaped")
		}
	}
	r.rawPath, r.rawQuery, _ = strings.Cut(r.URL, "?")
	var err error
	if r.path, err = url.PathUnescape(r.rawPath); err != nil {
		return r, errors.New("a bad escape in the URL")
	}
	// Some backends treat an escaped slash or a backslash as a separator.
	for _, segment := range strings.FieldsFunc(r.path, func(c rune) bool { return c == '/' || c == '\\' }) {
		name, _, semicolon := strings.Cut(segment, ";")
		if name == "." || name == ".." || segment == "." || segment == ".." {
			return r, errors.New("the URL leaves its place")
		}
		if semicolon && !parameters {
			return r, errors.New("a semicolon in the URL's path, which Config.PathParameters would allow")
		}
	}
	return r, nil
}

// below returns the target with the path and query of the request added.
func (r request) below(target *url.URL) *url.URL {
	u := *target
	if r.rawPath != "" {
		u.RawPath = strings.TrimSuffix(target.EscapedPath(), "/") + "/" + r.rawPath
		u.Path = strings.TrimSuffix(target.Path, "/") + "/" + r.path
	}
	u.RawQuery = r.rawQuery
	return &u
}

// isToken reports whether s is a token of RFC 9110.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
