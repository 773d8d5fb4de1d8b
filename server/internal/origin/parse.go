package origin

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxOrigin is the longest Origin that is parsed, in bytes: enough for a scheme, a host name of 253
// bytes and a port.
const maxOrigin = 320

// null is what a browser sends for an opaque origin: a sandboxed frame, a file, a redirect across
// origins.
const null = "null"

// file is what browsers send in a WebSocket of a page that is a file; in other requests it is null.
const file = "file://"

// tuple is a parsed Origin: in lower case, always with a port if the scheme has a default port,
// IPv6 in its shortest form.
type tuple struct {
	scheme, host, port string
}

// String returns the form that browsers send: without the default port.
func (t tuple) String() string {
	if t.port == "" || t.port == defaultPort(t.scheme) {
		return t.scheme + "://" + t.host
	}
	return t.scheme + "://" + t.host + ":" + t.port
}

// parse reads scheme://host[:port] and nothing else: browsers never send user information, a path
// (even "/"), a query, a list of origins, escapes or names outside ASCII. Schemes that are not the
// web's may have no host, as file:// of Chromium's WebSocket, or a dot, as app://. of Electron.
func parse(s string) (tuple, bool) {
	if len(s) > maxOrigin {
		return tuple{}, false
	}
	scheme, authority, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !found || !validScheme(scheme) {
		return tuple{}, false
	}
	if defaultPort(scheme) == "" && (authority == "" || authority == ".") {
		return tuple{scheme: scheme, host: authority}, true
	}
	host, port, ok := parseAuthority(authority, scheme)
	return tuple{scheme, host, port}, ok
}

// parseAuthority reads host[:port] of an Origin or a Host header, with the default port of the
// scheme.
func parseAuthority(s, scheme string) (host, port string, ok bool) {
	if len(s) > maxOrigin {
		return "", "", false
	}
	port = defaultPort(scheme)
	host = s
	if end := strings.LastIndexByte(s, ']'); end < 0 {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i+1:]
			ok = validPort(port)
		} else {
			ok = true
		}
	} else if rest := s[end+1:]; rest == "" {
		ok = true
	} else {
		host, port = s[:end+1], strings.TrimPrefix(rest, ":")
		ok = rest[0] == ':' && validPort(port)
	}
	if !ok {
		return "", "", false
	}
	host, ok = parseHost(host)
	return host, port, ok
}

func parseHost(s string) (string, bool) {
	if strings.HasPrefix(s, "[") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(s, "]") {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	s = strings.ToLower(s)
	if s == "" || s[0] == '.' || strings.Contains(s, "..") {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return "", false
		}
	}
	return s, true
}

func validScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && (i == 0 || c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != "" && s[0] > '9'
}

// validPort accepts 1 to 65535 without sign or leading zero.
func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0'
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// pattern is one entry of the list: an exact tuple, or, with wild, any one label before the tuple's
// host.
type pattern struct {
	tuple
	wild bool
}

func (p pattern) matches(t tuple) bool {
	if t.scheme != p.scheme || t.port != p.port {
		return false
	}
	if !p.wild {
		return t.host == p.host
	}
	label, rest, found := strings.Cut(t.host, ".")
	return found && label != "" && rest == p.host
}

// parsePattern reads one entry of the list. Its errors are for the operator who wrote the entry.
func parsePattern(s string) (pattern, error) {
	if s == "*" {
		return pattern{}, fmt.Errorf("origin: %q would let every site in: list the sites", s)
	}
	exact, wild := s, false
	if scheme, host, found := strings.Cut(s, "://*."); found {
		exact, wild = scheme+"://"+host, true
	}
	t, ok := parse(exact)
	if !ok && strings.HasPrefix(strings.ToLower(s), "file:") {
		return pattern{}, fmt.Errorf("origin: %q: files have no names here: write file://", s)
	}
	if !ok {
		return pattern{}, fmt.Errorf("origin: %q is not scheme://host[:port] in ASCII, without a path", s)
	}
	if t.scheme == "ws" || t.scheme == "wss" {
		return pattern{}, fmt.Errorf("origin: %q: an Origin names the page, so it begins with http:// or https://", s)
	}
	if wild && !wildSuffix(t.host) {
		return pattern{}, fmt.Errorf("origin: %q: the wildcard stands for one label before a name of at least two", s)
	}
	return pattern{t, wild}, nil
}

// wildSuffix rejects *.org, which would allow everybody, and *.0.0.1, which would treat parts of an
// IPv4 address as names.
func wildSuffix(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	return len(labels) >= 2 && last[0] > '9'
}
