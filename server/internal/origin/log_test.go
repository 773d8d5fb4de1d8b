package origin

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server/internal/limitedlog"
)

func TestRefusalIsLoggedOncePerOrigin(t *testing.T) {
	p, log := newPolicy(t, Options{})
	for range 3 {
		p.Check(request("app.example", false, "Origin: https://x.example"), Known{})
		p.Check(request("app.example", false, "Origin: HTTPS://X.example:443"), Known{})
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
	for _, want := range []string{"level=WARN", "add https://x.example to Origins / -origins", "host=app.example"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in %s", want, log)
		}
	}
}

// TestLogCannotBeFlooded: Origins that are made up write a bounded number of lines, and repeat none
// when they come round; what was left out is counted.
func TestLogCannotBeFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, log := newPolicy(t, Options{})
		flood := func() {
			for i := range 2 * maxLogged {
				p.Check(request("app.example", false, fmt.Sprintf("Origin: https://x%d.example", i)), Known{})
				p.Check(request("app.example", false, fmt.Sprintf("Origin: %d/", i)), Known{})
			}
		}
		flood()
		flood()
		if n := strings.Count(log.String(), "\n"); n != limitedlog.Burst {
			t.Errorf("%d lines", n)
		}
		if n := p.logged.Len(); n > maxLogged {
			t.Errorf("%d entries", n)
		}
		time.Sleep(limitedlog.Every)
		log.Reset()
		p.Check(request("app.example", false, "Origin: https://y.example"), Known{})
		if !strings.Contains(log.String(), "y.example") || !strings.Contains(log.String(), "left_out=") {
			t.Errorf("after a minute: %s", log)
		}
	})
}

func TestLogLineIsBounded(t *testing.T) {
	p, log := newPolicy(t, Options{})
	p.Check(request(strings.Repeat("h", 9000), false, "Origin: "+strings.Repeat("\n", 9000)), Known{})
	if log.Len() == 0 || log.Len() > 600 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%d bytes: %s", log.Len(), log)
	}
}

// TestTheFixWorks: a page that was refused is let in by listing what the log says.
func TestTheFixWorks(t *testing.T) {
	fix := regexp.MustCompile(`add (\S+) to Origins`)
	for _, origin := range []string{
		"https://x.example", "null", "file://", "app://.", "capacitor://localhost", "chrome-extension://abcdefgh",
		"moz-extension://3f2504e0-4f89-41d3-9a0c-0305e82c3301", "http://[::1]:3000", "https://a_b.example.",
	} {
		p, log := newPolicy(t, Options{})
		r := request("app.example", true, "Origin: "+origin)
		d := p.Check(r, Known{})
		if p.Settle(d, ""); p.Settle(d, "").Verdict == Allow {
			t.Errorf("%s is let in", origin)
		}
		m := fix.FindStringSubmatch(log.String())
		if m == nil {
			t.Errorf("%s: no fix in %q", origin, log)
			continue
		}
		p, log = newPolicy(t, Options{Allowed: []string{m[1]}})
		if d := p.Check(r, Known{}); d.Verdict != Allow || log.Len() > 0 {
			t.Errorf("%s: %v with %s listed: %s", origin, d.Verdict, m[1], log)
		}
	}
}

// TestFiles: a page that is a file says file:// in a WebSocket and null in a request. Null lets in
// both, file:// only its WebSockets: every page of the web can make itself null.
func TestFiles(t *testing.T) {
	for listed, want := range map[string][2]Verdict{"file://": {Refuse, Allow}, "null": {Allow, Allow}} {
		p, log := newPolicy(t, Options{Allowed: []string{listed}})
		post := p.Check(request("app.example", false, "Origin: null"), Known{}).Verdict
		socket := p.Check(request("app.example", true, "Origin: file://"), Known{}).Verdict
		if got := [2]Verdict{post, socket}; got != want {
			t.Errorf("with %s: %v, want %v: %s", listed, got, want, log)
		}
	}
}
