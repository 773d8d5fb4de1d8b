package origin

import (
	"fmt"
	"strings"
	"testing"
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

func TestLogTableIsBounded(t *testing.T) {
	p, log := newPolicy(t, Options{})
	check := func(i int) {
		p.Check(request("app.example", false, fmt.Sprintf("Origin: https://x%d.example", i)), Known{})
	}
	for i := range maxLogged + 1 {
		check(i)
	}
	if n := p.logged.Len(); n != maxLogged {
		t.Fatalf("%d entries", n)
	}
	log.Reset()
	check(maxLogged) // still known
	if log.Len() > 0 {
		t.Errorf("logged twice: %s", log)
	}
	check(0) // dropped at the bound, so logged again
	if log.Len() == 0 {
		t.Error("the oldest was not forgotten")
	}
}

func TestLogLineIsBounded(t *testing.T) {
	p, log := newPolicy(t, Options{})
	p.Check(request(strings.Repeat("h", 9000), false, "Origin: "+strings.Repeat("\n", 9000)), Known{})
	if log.Len() == 0 || log.Len() > 600 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%d bytes: %s", log.Len(), log)
	}
}
