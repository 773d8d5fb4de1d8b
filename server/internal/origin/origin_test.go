package origin

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func newPolicy(t *testing.T, o Options) (*Policy, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p, &log
}

// request builds a POST, or with upgrade a WebSocket handshake, to host with the headers given as
// "Name: value".
func request(host string, upgrade bool, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/holdfast", nil)
	r.Host = host
	if upgrade {
		r.Method = http.MethodGet
		r.Header.Set("Connection", "keep-alive, Upgrade")
		r.Header.Set("Upgrade", "WebSocket")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestCheck(t *testing.T) {
	allowed := []string{"https://listed.example", "https://*.wild.example", "capacitor://localhost"}
	const app, evil = "https://app.example", "https://evil.example"
	tests := []struct {
		name    string
		host    string
		tls     bool
		headers []string
		known   Known
		post    Verdict
		socket  Verdict
	}{
		{"listed", "app.example", false, []string{"Origin: https://listed.example"}, Known{}, Allow, Allow},
		{
			"listed, capitals and port", "app.example", false,
			[]string{"Origin: HTTPS://LISTED.example:443"},
			Known{},
			Allow, Allow,
		},
		{
			"listed, another scheme", "app.example", false,
			[]string{"Origin: http://listed.example"},
			Known{},
			Refuse, InBand,
		},
		{"listed by wildcard", "app.example", false, []string{"Origin: https://a.wild.example"}, Known{}, Allow, Allow},
		{
			"listed, not a web page", "app.example", false,
			[]string{"Origin: capacitor://localhost"},
			Known{},
			Allow, Allow,
		},
		{
			"listed, the browser says cross-site", "app.example", false,
			[]string{"Origin: https://listed.example", "Sec-Fetch-Site: cross-site"},
			Known{},
			Allow, Allow,
		},
		{
			"same-origin by Sec-Fetch-Site, Host rewritten", "10.0.0.7:8080", false,
			[]string{"Origin: " + app, "Sec-Fetch-Site: same-origin"},
			Known{},
			Allow, Allow,
		},
		{
			"same-site is not same-origin", "10.0.0.7", false,
			[]string{"Origin: " + app, "Sec-Fetch-Site: same-site"},
			Known{},
			Refuse, InBand,
		},
		{
			"none with an Origin proves nothing", "10.0.0.7", false,
			[]string{"Origin: " + app, "Sec-Fetch-Site: none"},
			Known{},
			Refuse, InBand,
		},
		{
			"two Sec-Fetch-Site prove nothing", "10.0.0.7", false,
			[]string{"Origin: " + app, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-origin"},
			Known{},
			Refuse, InBand,
		},
		{"same host", "app.example", false, []string{"Origin: " + app}, Known{}, Allow, Allow},
		{"same host, capitals", "APP.example:443", false, []string{"Origin: " + app}, Known{}, Allow, Allow},
		{"same host, http", "app.example", false, []string{"Origin: http://app.example"}, Known{}, Allow, Allow},
		{
			"same host, http, port 80 said", "app.example:80", false,
			[]string{"Origin: http://app.example"},
			Known{},
			Allow, Allow,
		},
		{
			"same host, a page without TLS, a server with", "app.example", true,
			[]string{"Origin: http://app.example"},
			Known{},
			Refuse, InBand,
		},
		{"same host, both with TLS", "app.example", true, []string{"Origin: " + app}, Known{}, Allow, Allow},
		{
			"same host and port", "app.example:8443", false,
			[]string{"Origin: https://app.example:8443"},
			Known{},
			Allow, Allow,
		},
		{"same host, IPv6", "[::1]:8080", false, []string{"Origin: http://[0::1]:8080"}, Known{}, Allow, Allow},
		{"same host, another port", "app.example:8443", false, []string{"Origin: " + app}, Known{}, Refuse, InBand},
		{
			"same host, not a web page", "app.example", false,
			[]string{"Origin: capacitor://app.example"},
			Known{},
			Refuse, InBand,
		},
		{
			"host is a suffix", "app.example", false,
			[]string{"Origin: https://evil.app.example"},
			Known{},
			Refuse, InBand,
		},
		{
			"host is a prefix", "app.example", false,
			[]string{"Origin: https://app.example.evil.example"},
			Known{},
			Refuse, InBand,
		},
		{"no Host", "", false, []string{"Origin: " + app}, Known{}, Refuse, InBand},
		{"garbled Host", "app.example/..", false, []string{"Origin: " + app}, Known{}, Refuse, InBand},
		{
			"forwarded host, trusted", "10.0.0.7", false,
			[]string{"Origin: " + app, "X-Forwarded-Host: app.example"},
			Known{TrustedProxy: true},
			Allow, Allow,
		},
		{
			"forwarded host, first of a chain", "10.0.0.7", false,
			[]string{"Origin: " + app, "X-Forwarded-Host: app.example, mid.example"},
			Known{TrustedProxy: true},
			Allow, Allow,
		},
		{
			"forwarded host, last of a chain", "10.0.0.7", false,
			[]string{"Origin: " + app, "X-Forwarded-Host: mid.example", "X-Forwarded-Host: app.example"},
			Known{TrustedProxy: true},
			Allow, Allow,
		},
		{
			"forwarded host, a stranger's word", "10.0.0.7", false,
			[]string{"Origin: " + app, "X-Forwarded-Host: app.example"},
			Known{},
			Refuse, InBand,
		},
		{
			"forwarded host, another", "10.0.0.7", false,
			[]string{"Origin: " + evil, "X-Forwarded-Host: app.example"},
			Known{TrustedProxy: true},
			Refuse, InBand,
		},
		{"bound", "10.0.0.7", false, []string{"Origin: " + app}, Known{Bound: app}, Allow, Allow},
		{"bound to another", "10.0.0.7", false, []string{"Origin: " + evil}, Known{Bound: app}, Refuse, InBand},
		{"stranger", "app.example", false, []string{"Origin: " + evil}, Known{}, Refuse, InBand},
		{
			"stranger, cross-site", "app.example", false,
			[]string{"Origin: " + evil, "Sec-Fetch-Site: cross-site"},
			Known{},
			Refuse, InBand,
		},

		{"no Origin: a program", "app.example", false, nil, Known{}, Allow, Allow},
		{"no Origin, typed address", "app.example", false, []string{"Sec-Fetch-Site: none"}, Known{}, Allow, Allow},
		{
			"no Origin, same-origin EventSource", "app.example", false,
			[]string{"Sec-Fetch-Site: same-origin"},
			Known{},
			Allow, Allow,
		},
		{
			"no Origin, cross-site", "app.example", false,
			[]string{"Sec-Fetch-Site: cross-site"},
			Known{},
			Refuse, Refuse,
		},
		{"no Origin, same-site", "app.example", false, []string{"Sec-Fetch-Site: same-site"}, Known{}, Refuse, Refuse},
		{
			"no Origin, a word of the future", "app.example", false,
			[]string{"Sec-Fetch-Site: same-party"},
			Known{},
			Refuse, Refuse,
		},
		{
			"no Origin, two answers", "app.example", false,
			[]string{"Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"},
			Known{},
			Refuse, Refuse,
		},
		{"no Origin, session bound", "app.example", false, nil, Known{Bound: app}, Allow, Allow},

		{"null", "app.example", false, []string{"Origin: null"}, Known{}, Refuse, Refuse},
		{
			"null, same-origin", "app.example", false,
			[]string{"Origin: null", "Sec-Fetch-Site: same-origin"},
			Known{},
			Refuse, Refuse,
		},
		{"null, bound", "app.example", false, []string{"Origin: null"}, Known{Bound: "null"}, Refuse, Refuse},
		{"NULL is malformed", "app.example", false, []string{"Origin: NULL"}, Known{}, Refuse, Refuse},
		{"empty", "app.example", false, []string{"Origin: "}, Known{}, Refuse, Refuse},
		{"two Origins", "app.example", false, []string{"Origin: " + app, "Origin: " + app}, Known{}, Refuse, Refuse},
		{
			"two Origins, same-origin", "app.example", false,
			[]string{"Origin: " + app, "Origin: " + evil, "Sec-Fetch-Site: same-origin"},
			Known{},
			Refuse, Refuse,
		},
		{"list in one header", "app.example", false, []string{"Origin: " + app + " " + evil}, Known{}, Refuse, Refuse},
		{"path", "app.example", false, []string{"Origin: " + app + "/"}, Known{}, Refuse, Refuse},
		{"userinfo", "app.example", false, []string{"Origin: https://u@app.example"}, Known{}, Refuse, Refuse},
		{
			"malformed, bound to the same", "app.example", false,
			[]string{"Origin: https://app.example/"},
			Known{Bound: "https://app.example/"},
			Refuse, Refuse,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, log := newPolicy(t, Options{Allowed: allowed})
			for _, upgrade := range []bool{false, true} {
				want := tt.post
				if upgrade {
					want = tt.socket
				}
				r := request(tt.host, upgrade, tt.headers...)
				if tt.tls {
					r.TLS = &tls.ConnectionState{}
				}
				log.Reset()
				p.logged.Purge()
				d := p.Check(r, tt.known)
				if d.Verdict != want {
					t.Errorf("upgrade %t: %v, want %v", upgrade, d.Verdict, want)
				}
				if refused := log.Len() > 0; refused != (want == Refuse) {
					t.Errorf("upgrade %t: %v, logged %q", upgrade, want, log.String())
				}
			}
		})
	}
}

func TestNullListed(t *testing.T) {
	p, _ := newPolicy(t, Options{Allowed: []string{"null"}, Credentials: true})
	d := p.Check(request("app.example", false, "Origin: null", "Sec-Fetch-Site: cross-site"), Known{})
	if d.Verdict != Allow || d.Origin != "null" {
		t.Fatalf("%v", d)
	}
	h := http.Header{}
	p.CORS(h, d)
	if h.Get("Access-Control-Allow-Origin") != "null" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Fatalf("%v", h)
	}
}

func TestSettle(t *testing.T) {
	const app = "https://app.example"
	tests := []struct {
		name, origin, bound string
		want                Verdict
		logged              bool
	}{
		{"the session's own", "HTTPS://App.example:443", app, Allow, false},
		{"a new session", app, "", Refuse, true},
		{"another's session", "https://evil.example", app, Refuse, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, log := newPolicy(t, Options{})
			d := p.Check(request("10.0.0.7", true, "Origin: "+tt.origin), Known{})
			if d.Verdict != InBand || log.Len() > 0 {
				t.Fatalf("%v, log %q", d.Verdict, log)
			}
			if got := p.Settle(d, tt.bound); got.Verdict != tt.want {
				t.Errorf("%v, want %v", got.Verdict, tt.want)
			}
			if logged := strings.Contains(log.String(), "Origins / -origins"); logged != tt.logged {
				t.Errorf("log %q", log)
			}
		})
	}
	t.Run("only in band", func(t *testing.T) {
		p, _ := newPolicy(t, Options{})
		if got := p.Settle(Decision{Verdict: Refuse, Origin: app}, app); got.Verdict != Refuse {
			t.Error("a refusal was settled")
		}
		if got := p.Settle(Decision{Verdict: Allow, Origin: app}, ""); got.Verdict != Allow {
			t.Error("an allowed request was refused")
		}
	})
}

func TestUpgradeIsAGet(t *testing.T) {
	p, _ := newPolicy(t, Options{})
	r := request("app.example", true, "Origin: https://evil.example")
	r.Method = http.MethodPost
	if d := p.Check(r, Known{}); d.Verdict != Refuse {
		t.Errorf("POST with Upgrade: %v", d.Verdict)
	}
	r = request("app.example", false, "Origin: https://evil.example", "Upgrade: h2c")
	r.Method = http.MethodGet
	if d := p.Check(r, Known{}); d.Verdict != Refuse {
		t.Errorf("upgrade to h2c: %v", d.Verdict)
	}
}

func TestInBandForAPost(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		want    Verdict
	}{
		{"stranger", []string{"Origin: https://evil.example"}, InBand},
		{"same host", []string{"Origin: https://app.example"}, Allow},
		{"null", []string{"Origin: null"}, Refuse},
		{"malformed", []string{"Origin: https://app.example/"}, Refuse},
		{"no Origin, cross-site", []string{"Sec-Fetch-Site: cross-site"}, Refuse},
	}
	for _, tt := range tests {
		p, _ := newPolicy(t, Options{})
		if d := p.Check(request("app.example", false, tt.headers...), Known{InBand: true}); d.Verdict != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, d.Verdict, tt.want)
		}
	}
}
