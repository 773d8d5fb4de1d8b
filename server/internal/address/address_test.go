package address

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func proxies(t *testing.T, list ...string) Proxies {
	t.Helper()
	var p Proxies
	for _, s := range list {
		prefix, err := ParseProxy(s)
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, prefix)
	}
	return p
}

func TestClient(t *testing.T) {
	trusted := []string{"10.0.0.0/8", "127.0.0.1", "fd00::/8"}
	tests := []struct {
		name    string
		trusted []string
		peer    string
		lines   []string
		want    string
	}{
		{"direct", nil, "203.0.113.5:4711", nil, "203.0.113.5"},
		{"nobody is trusted", nil, "10.0.0.1:4711", []string{"198.51.100.9"}, "10.0.0.1"},
		{"a stranger's word", trusted, "203.0.113.5:4711", []string{"198.51.100.9"}, "203.0.113.5"},
		{"no header", trusted, "10.0.0.1:80", nil, "10.0.0.1"},
		{"one proxy", trusted, "10.0.0.1:80", []string{"198.51.100.9"}, "198.51.100.9"},
		{"a single address trusted", trusted, "127.0.0.1:80", []string{"198.51.100.9"}, "198.51.100.9"},
		{"its neighbour is not", trusted, "127.0.0.2:80", []string{"198.51.100.9"}, "127.0.0.2"},
		{"spoofed left part", trusted, "10.0.0.1:80", []string{"1.1.1.1, 198.51.100.9"}, "198.51.100.9"},
		{
			"spoofed trusted address on the left", trusted, "10.0.0.1:80",
			[]string{"10.9.9.9, 198.51.100.9"},
			"198.51.100.9",
		},
		{"two proxies", trusted, "10.0.0.1:80", []string{"1.1.1.1, 198.51.100.9, 10.0.0.2"}, "198.51.100.9"},
		{"all trusted: the farthest", trusted, "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{
			"two lines, the last first", trusted, "10.0.0.1:80",
			[]string{"198.51.100.9", "10.0.0.3 , 10.0.0.2"},
			"198.51.100.9",
		},
		{"two lines, spoofed first", trusted, "10.0.0.1:80", []string{"1.1.1.1", "198.51.100.9"}, "198.51.100.9"},
		{"spaces and empty elements", trusted, "10.0.0.1:80", []string{" 198.51.100.9 ,, \t,"}, "198.51.100.9"},
		{"empty header", trusted, "10.0.0.1:80", []string{""}, "10.0.0.1"},
		{"garbage", trusted, "10.0.0.1:80", []string{"unknown"}, "10.0.0.1"},
		{"garbage left of a client", trusted, "10.0.0.1:80", []string{"<script>, 198.51.100.9"}, "198.51.100.9"},
		{"garbage right of a client", trusted, "10.0.0.1:80", []string{"198.51.100.9, x, 10.0.0.2"}, "10.0.0.2"},
		{"a long element", trusted, "10.0.0.1:80", []string{strings.Repeat("1", 100000)}, "10.0.0.1"},
		{
			"more hops than are walked", trusted, "10.0.0.1:80",
			[]string{"198.51.100.9" + strings.Repeat(",10.0.0.2", 40)},
			"10.0.0.2",
		},
		{
			"as many hops as are walked", trusted, "10.0.0.1:80",
			[]string{"198.51.100.9" + strings.Repeat(",10.0.0.2", maxHops-1)},
			"198.51.100.9",
		},
		{
			"too many lines", trusted, "10.0.0.1:80",
			append([]string{"198.51.100.9"}, slices.Repeat([]string{"10.0.0.2"}, maxHops)...), "10.0.0.2",
		},
		{"IPv4 with port", trusted, "10.0.0.1:80", []string{"198.51.100.9:1234"}, "198.51.100.9"},
		{"IPv6", trusted, "[fd00::1]:80", []string{"2001:db8::9"}, "2001:db8::9"},
		{"IPv6 in brackets", trusted, "[fd00::1]:80", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"IPv6 with port", trusted, "[fd00::1]:80", []string{"[2001:db8::9]:443"}, "2001:db8::9"},
		{"half a bracket", trusted, "[fd00::1]:80", []string{"[2001:db8::9"}, "fd00::1"},
		{"IPv4 in IPv6 peer", trusted, "[::ffff:10.0.0.1]:80", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"IPv4 in IPv6 hop", trusted, "10.0.0.1:80", []string{"198.51.100.9, ::ffff:10.0.0.2"}, "198.51.100.9"},
		{"zone", nil, "[fe80::1%eth0]:80", nil, "fe80::1"},
		{"unix socket", trusted, "@", []string{"198.51.100.9"}, "invalid IP"},
		{"middleware wrote no port", trusted, "203.0.113.5", []string{"198.51.100.9"}, "203.0.113.5"},
		{"middleware wrote a trusted address", trusted, "10.0.0.1", []string{"198.51.100.9"}, "10.0.0.1"},
		{"unix socket by a network alone", []string{"unix"}, "@", []string{"198.51.100.9"}, "invalid IP"},
		{"no peer", trusted, "", []string{"198.51.100.9"}, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
			if tt.lines != nil {
				r.Header["X-Forwarded-For"] = tt.lines
			}
			if got := proxies(t, tt.trusted...).Client(r); got.String() != tt.want {
				t.Errorf("%v, want %s", got, tt.want)
			}
		})
	}
}

func TestTrusts(t *testing.T) {
	p := proxies(t, "10.0.0.0/8")
	for peer, want := range map[string]bool{
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "11.0.0.1:80": false, "@": false, "": false,
		"10.1.2.3": false,
	} {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {"10.0.0.1"}}}
		if got := p.Trusts(r); got != want {
			t.Errorf("Trusts(%q) = %t", peer, got)
		}
	}
}

// TestUnixSocket: a proxy on a unix socket has no address, and is trusted by name, or as one of
// all.
func TestUnixSocket(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []string
		remote  string
		want    string
	}{
		"by name":                  {[]string{"10.0.0.0/8", "unix"}, "@", "198.51.100.9"},
		"by name, no remote":       {[]string{"unix"}, "", "198.51.100.9"},
		"all IPv4":                 {[]string{"0.0.0.0/0"}, "@", "198.51.100.9"},
		"all IPv6":                 {[]string{"::/0"}, "/run/peer", "198.51.100.9"},
		"others":                   {[]string{"10.0.0.0/8"}, "@", "invalid IP"},
		"nobody":                   {nil, "@", "invalid IP"},
		"middleware wrote another": {[]string{"unix"}, "203.0.113.5", "203.0.113.5"},
	} {
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/h", Net: "unix"})
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": {"198.51.100.9"}}}
		r = r.WithContext(ctx)
		p := proxies(t, c.trusted...)
		if got := p.Client(r).String(); got != c.want || p.Trusts(r) != (c.want == "198.51.100.9") {
			t.Errorf("%s: %s, trusted %t", name, got, p.Trusts(r))
		}
	}
}

func TestParseProxy(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32", "::1": "::1/128",
		"fd00::/8": "fd00::/8", "::ffff:192.0.2.1": "192.0.2.1/32", "0.0.0.0/0": "0.0.0.0/0",
		"": "", "10.0.0.0/33": "", "proxy.example": "", "fe80::1%eth0": "", "::ffff:10.0.0.0/104": "",
		"10.0.0.1:80": "", "unix": "invalid Prefix", "Unix": "", "unix:": "",
	} {
		got, err := ParseProxy(in)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("ParseProxy(%q) = %v, %v; want %q", in, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), `"`+in+`"`) {
			t.Errorf("%v does not name %q", err, in)
		}
	}
}

func TestGroup(t *testing.T) {
	for in, want := range map[string]string{
		"198.51.100.9": "198.51.100.9/32", "::ffff:198.51.100.9": "198.51.100.9/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Group(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("Group(%s) = %v, want %s", in, got, want)
		}
	}
	if got := Group(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("Group of none = %v", got)
	}
}

func FuzzClient(f *testing.F) {
	f.Add("10.0.0.1:80", "1.1.1.1, 198.51.100.9", "10.0.0.2,[::1]:5")
	p := Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {first, second}}}
		got := p.Client(r)
		if got.Is4In6() || got.Zone() != "" {
			t.Errorf("%v is not in canonical form", got)
		}
		if !p.Trusts(r) && got != (Proxies{}).Client(r) {
			t.Errorf("an untrusted peer chose its address: %v", got)
		}
	})
}
