package origin

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	long := "https://" + strings.Repeat("a.", 160) + "example"
	tests := []struct {
		in, want string // want "" is a refusal
	}{
		{"https://example.org", "https://example.org"},
		{"http://example.org:80", "http://example.org"},
		{"https://example.org:443", "https://example.org"},
		{"https://example.org:80", "https://example.org:80"},
		{"http://example.org:443", "http://example.org:443"},
		{"HTTPS://Example.ORG:8443", "https://example.org:8443"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"http://[::1]", "http://[::1]"},
		{"http://[::1]:8080", "http://[::1]:8080"},
		{"http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"},
		{"http://[2001:DB8::1]", "http://[2001:db8::1]"},
		{"https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"},
		{"https://a_b.example", "https://a_b.example"},
		{"https://example.org.", "https://example.org."},
		{"capacitor://localhost", "capacitor://localhost"},
		{"chrome-extension://abcdefgh", "chrome-extension://abcdefgh"},
		{
			"moz-extension://3F2504e0-4f89-41d3-9a0c-0305e82c3301",
			"moz-extension://3f2504e0-4f89-41d3-9a0c-0305e82c3301",
		},
		{"file://", "file://"},
		{"FILE://", "file://"},
		{"app://.", "app://."},

		{"file:///", ""},
		{"file:///etc/passwd", ""},
		{"file://:80", ""},
		{"file:", ""},
		{"app://..", ""},
		{"http://.", ""},
		{"", ""},
		{"null", ""},
		{"example.org", ""},
		{"//example.org", ""},
		{"://example.org", ""},
		{"https:example.org", ""},
		{"https:/example.org", ""},
		{"https://", ""},
		{"https://:443", ""},
		{"https://example.org/", ""},
		{"https://example.org/path", ""},
		{"https://example.org?q", ""},
		{"https://example.org#f", ""},
		{"https://user@example.org", ""},
		{"https://user:secret@example.org", ""},
		{"https://example.org@evil.example", ""},
		{"https://example.org https://evil.example", ""},
		{"https://example.org, https://evil.example", ""},
		{" https://example.org", ""},
		{"https://example.org ", ""},
		{"https://exam ple.org", ""},
		{"https://example.org\\evil", ""},
		{"https://example%2eorg", ""},
		{"https://münchen.example", ""},
		{"https://.example.org", ""},
		{"https://example..org", ""},
		{"https://*.example.org", ""},
		{"https://example.org:", ""},
		{"https://example.org:0", ""},
		{"https://example.org:0443", ""},
		{"https://example.org:+443", ""},
		{"https://example.org:65536", ""},
		{"https://example.org:443:443", ""},
		{"https://example.org:x", ""},
		{"http://::1", ""},
		{"http://[::1", ""},
		{"http://::1]", ""},
		{"http://[::1]x", ""},
		{"http://[::1]:", ""},
		{"http://[::1]]", ""},
		{"http://[fe80::1%25eth0]", ""},
		{"http://[fe80::1%eth0]", ""},
		{"http://[127.0.0.1]", ""},
		{"http://[]", ""},
		{"1http://example.org", ""},
		{"ht tp://example.org", ""},
		{"https://example.org\x00", ""},
		{long, ""},
	}
	for _, tt := range tests {
		got, ok := parse(tt.in)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("parse(%q) = %q, %t; want %q", tt.in, got.String(), ok, tt.want)
		}
	}
}

func TestPattern(t *testing.T) {
	tests := []struct {
		pattern, origin string
		want            bool
	}{
		{"https://example.org", "https://example.org", true},
		{"https://EXAMPLE.org:443", "https://example.org", true},
		{"https://example.org", "https://example.org:443", true},
		{"https://example.org", "http://example.org", false},
		{"https://example.org", "http://example.org:443", false},
		{"https://example.org", "https://example.org:8443", false},
		{"https://example.org", "https://www.example.org", false},
		{"https://example.org", "https://example.org.evil.example", false},
		{"https://example.org", "https://evilexample.org", false},
		{"https://*.example.org", "https://a.example.org", true},
		{"https://*.example.org", "https://A.EXAMPLE.ORG:443", true},
		{"https://*.example.org:8443", "https://a.example.org:8443", true},
		{"https://*.example.org", "https://a.example.org:8443", false},
		{"https://*.example.org", "http://a.example.org", false},
		{"https://*.example.org", "https://example.org", false},
		{"https://*.example.org", "https://a.b.example.org", false},
		{"https://*.example.org", "https://evilexample.org", false},
		{"https://*.example.org", "https://a.example.org.evil.example", false},
		{"file://", "file://", true},
		{"file://", "app://", false},
		{"app://.", "app://.", true},
		{"chrome-extension://abcdefgh", "chrome-extension://abcdefgh", true},
		{"chrome-extension://abcdefgh", "chrome-extension://abcdefgi", false},
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		o, ok := parse(tt.origin)
		if !ok {
			t.Fatalf("parse(%q) failed", tt.origin)
		}
		if got := p.matches(o); got != tt.want {
			t.Errorf("%q matches %q = %t, want %t", tt.pattern, tt.origin, got, tt.want)
		}
	}
}

func TestNewNamesTheBadEntry(t *testing.T) {
	for _, entry := range []string{
		"*", "", "example.org", "https://example.org/", "https://*", "https://*.org", "https://*.localhost",
		"https://*.0.0.1",
		"https://*.1.2.3", "https://a.*.example.org", "https://*a.example.org", "https://*.*.example.org",
		"https://*.[::1]",
		"file:///", "file://*", "file://*.", "app://*..",
		"wss://example.org", "NULL", "https://u@example.org",
	} {
		_, err := New(Options{Allowed: []string{"https://good.example", entry}})
		if err == nil {
			t.Errorf("New took %q", entry)
		} else if !strings.Contains(err.Error(), `"`+entry+`"`) || strings.Contains(err.Error(), "\n") {
			t.Errorf("New(%q): %v does not name the entry on one line", entry, err)
		}
	}
}
