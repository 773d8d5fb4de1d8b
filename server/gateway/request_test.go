package gateway

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func ask(t *testing.T, protocols []string, text string) (request, error) {
	t.Helper()
	meta, err := json.Marshal(map[string]any{"websocket": map[string]any{"protocols": protocols, "url": text}})
	if err != nil {
		t.Fatal(err)
	}
	return parseRequest(meta, false)
}

// TestBelow: every URL of a client is below the path of the target, on its host.
func TestBelow(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "ws://host:1/base",
		"?a=b&c":                "ws://host:1/base?a=b&c",
		"a/b":                   "ws://host:1/base/a/b",
		"a%20b%2Fc?x=%0a":       "ws://host:1/base/a%20b%2Fc?x=%0a",
		"/evil.example/":        "ws://host:1/base//evil.example/",
		"//evil.example/":       "ws://host:1/base///evil.example/",
		"ws://evil.example/":    "ws://host:1/base/ws://evil.example/",
		"@evil.example":         "ws://host:1/base/@evil.example",
		":80/":                  "ws://host:1/base/:80/",
		"...":                   "ws://host:1/base/...",
		"a?b?../..":             "ws://host:1/base/a?b?../..",
		"%252e%252e/":           "ws://host:1/base/%252e%252e/",
		strings.Repeat("a", 99): "ws://host:1/base/" + strings.Repeat("a", 99),
	} {
		target, err := url.Parse("ws://host:1/base")
		if err != nil {
			t.Fatal(err)
		}
		r, err := ask(t, nil, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := r.below(target).String(); got != want {
			t.Errorf("%q: %s", text, got)
		}
		again, err := url.Parse(r.below(target).String())
		if err != nil || again.Host != "host:1" || !strings.HasPrefix(again.Path, "/base") {
			t.Errorf("%q is read as %v, %v", text, again, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"..", ".", "../x", "a/../..", "a/./b", "%2e%2e/x", "%2E./x", "a%2F..%2Fb", `a\..\b`, "a%5c..%5cb", "/..",
		"a/..", "..;/admin", ".;/admin", "a/..;x=1/b", "%2e%2e;/admin", "..%3b/admin",
		"a;b", "a;jsessionid=1/b", `a\..;\b`,
		"a b", "a\nb", "a\r\nHost: x", "a\x00", "a\x7f", "é", "a#b", "?a#b", "?a b", "%", "%zz", "a%2",
	} {
		if r, err := ask(t, nil, text); err == nil {
			t.Errorf("%q passes as %+v", text, r)
		}
	}
	for text, want := range map[string]bool{"a;b/c": true, "..;/admin": false, "a/.;/b": false, "?a;b": true} {
		meta, _ := json.Marshal(map[string]any{"websocket": map[string]any{"url": text}})
		if _, err := parseRequest(meta, true); (err == nil) != want {
			t.Errorf("%q with parameters: %v", text, err)
		}
	}
	if _, err := ask(t, nil, "a?x;y"); err != nil {
		t.Errorf("a semicolon in the query: %v", err)
	}
	for _, list := range [][]string{
		{""},
		{"a b"},
		{"a,b"},
		{"a\r\nX: y"},
		{"é"},
		strings.Split(strings.Repeat("a,", 33), ","),
	} {
		if _, err := ask(t, list, ""); err == nil {
			t.Errorf("%q passes", list)
		}
	}
	for _, meta := range []string{
		`{`, `{"websocket":1}`, `{"websocket":{"url":1}}`,
		`{"websocket":{"protocols":"a"}}`,
	} {
		if _, err := parseRequest([]byte(meta), true); err == nil {
			t.Errorf("%s passes", meta)
		}
	}
}
