// Package address finds the client address of a request, and limits what one address may have open
// and how fast it may open more.
package address

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many entries of X-Forwarded-For are read: a longer chain of trusted proxies is
// a forged header.
const maxHops = 32

// Proxies are the networks whose X-Forwarded-* headers are believed. With nil no header is
// believed: the direct peer is the client. The zero Prefix stands for the peers of unix sockets,
// which have no address; a network of all addresses includes them.
type Proxies []netip.Prefix

// unixName is how a setting names the peers of unix sockets.
const unixName = "unix"

// ParseProxy reads a network in CIDR form, a single address, or unix.
func ParseProxy(s string) (netip.Prefix, error) {
	if s == unixName {
		return netip.Prefix{}, nil
	}
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if prefix.Addr().Is4In6() {
			return netip.Prefix{}, fmt.Errorf("address: %q: write IPv4 networks in their IPv4 form", s)
		}
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf(
			"address: %q is neither an address, nor a network like 10.0.0.0/8, nor unix", s)
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// Trusts reports whether the direct peer of the request is one of the proxies.
func (p Proxies) Trusts(r *http.Request) bool { return p.trust(r) }

// Client is the address the request comes from: the direct peer, unless that is a trusted proxy;
// then it is the first address from the right in X-Forwarded-For that is not trusted. Entries
// further left may be forged. If the header ends or is invalid, the answer is the last trusted
// address before that point, so garbage never counts as an address. The zero Addr means a peer
// without an IP address, such as a unix socket.
func (p Proxies) Client(r *http.Request) netip.Addr {
	client := peer(r)
	if !p.trust(r) {
		return client
	}
	lines := r.Header["X-Forwarded-For"]
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		rest, more := lines[i], true
		for more && hops < maxHops {
			hops++
			var hop string
			rest, hop, more = cutLast(rest)
			if hop == "" {
				continue // skip an empty element
			}
			addr, ok := parseHop(hop)
			if !ok {
				return client
			}
			client = addr
			if !p.contain(client) {
				return client
			}
		}
	}
	return client
}

// trust tells whether the direct peer of a request is trusted. One without a port is not:
// middleware wrote it, from a header that may be a stranger's.
func (p Proxies) trust(r *http.Request) bool {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return p.contain(ap.Addr().Unmap().WithZone(""))
	}
	return !peer(r).IsValid() && onUnix(r) &&
		slices.ContainsFunc(p, func(x netip.Prefix) bool { return x.Bits() <= 0 })
}

// onUnix reports whether a request came over a unix socket. Its RemoteAddr alone does not tell:
// middleware may have changed it.
func onUnix(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && at.Network() == "unix"
}

func (p Proxies) contain(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Group is what limits count by: one IPv4 address, or a /64 of IPv6, because one subscriber can use
// all addresses of it.
func Group(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	prefix, _ := a.Prefix(bits) // the zero Addr has the zero Prefix
	return prefix
}

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	a := ap.Addr()
	if err != nil { // middleware may write it without a port
		a, _ = netip.ParseAddr(r.RemoteAddr)
	}
	return a.Unmap().WithZone("")
}

// cutLast removes the last element of a comma-separated list, without splitting the whole list.
func cutLast(s string) (rest, last string, more bool) {
	i := strings.LastIndexByte(s, ',')
	if i < 0 {
		return "", strings.Trim(s, " \t"), false
	}
	return s[:i], strings.Trim(s[i+1:], " \t"), true
}

// parseHop reads an address as proxies write it: IPv6 also in brackets, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	if len(s) > 64 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	if err != nil && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		addr, err = netip.ParseAddr(s[1 : len(s)-1])
	}
	if err != nil {
		var ap netip.AddrPort
		ap, err = netip.ParseAddrPort(s)
		addr = ap.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}
