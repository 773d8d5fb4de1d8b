package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/holdfast-rt/holdfast/server/internal/config"
)

// hostCheck protects a server that only this machine can reach. A page of any site can have its own
// name resolve to 127.0.0.1 (DNS rebinding): then it is of the same origin as the server, and the
// name in Host is all that tells.
//
// A request with Via comes from a proxy that somebody has put before this server, which passes the
// Host of its own visitors on. No page can set that header.
type hostCheck struct {
	next  http.Handler
	log   *slog.Logger
	names []string // in lower case; "*.x" stands for one label more
	once  sync.Once
}

// checkHosts wraps what is served on addr, if that is loopback.
func checkHosts(next http.Handler, addr string, cfg config.Config, log *slog.Logger) http.Handler {
	if !config.Loopback(addr) || cfg.Conformance { // the suite tries all kinds of Host
		return next
	}
	names := []string{"localhost"}
	for _, v := range cfg.Hosts {
		names = append(names, strings.ToLower(v))
	}
	for _, o := range cfg.Origins {
		_, authority, _ := strings.Cut(o, "://")
		if name := hostname(authority); name != "" {
			names = append(names, name)
		}
	}
	return &hostCheck{next: next, log: log, names: names}
}

func (c *hostCheck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := hostname(r.Host)
	if c.knows(name) || r.Header.Get("Via") != "" {
		c.next.ServeHTTP(w, r)
		return
	}
	c.once.Do(func() {
		c.log.Warn("a request for another host was refused: on loopback any site could make one (DNS rebinding)",
			"host", name[:min(len(name), 120)], "fix", "if the name is yours, list it in -hosts")
	})
	setHeaders(w.Header())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte("holdfast: this name is not one of -hosts\n"))
}

func (c *hostCheck) knows(name string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	for _, known := range c.names {
		suffix, wild := strings.CutPrefix(known, "*.")
		_, parent, _ := strings.Cut(name, ".")
		if known == "*" || name == known || wild && parent == suffix {
			return true
		}
	}
	return false
}

// hostname is the name in host[:port], in lower case and without the last dot of a full name.
func hostname(authority string) string {
	name, _, err := net.SplitHostPort(authority)
	if err != nil {
		name = authority
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// setHeaders sets what every answer has (HF1-HTTP-05).
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
