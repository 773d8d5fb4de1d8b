package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// ask requests a path with this Host, and returns the status.
func ask(t *testing.T, method, base, path, host string, header ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	return a.StatusCode
}

// TestRebinding: on loopback no page whose name resolves to this machine gets anything, and the log
// says once which flag would let it in.
func TestRebinding(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0", "-admin-addr", "localhost:0",
		"-origins", "https://app.example,https://*.wild.example:8443,file://", "-hosts", "box.lan,*.lab.lan")
	public := strings.TrimSuffix(p.stdout.find(t, `Endpoint:\s+(\S+)`), "/holdfast")
	admin := p.stdout.find(t, `Admin:\s+(\S+)/metrics`)
	port := public[strings.LastIndex(public, ":"):]
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1" + port, "localhost" + port, "LOCALHOST", "localhost.", "[::1]" + port, "127.0.0.2",
		"app.example", "app.example:8080", "a.wild.example", "box.lan" + port, "Box.LAN", "one.lab.lan",
	} {
		if code := ask(t, "GET", public, "/", host); code != 200 {
			t.Errorf("%s: %d", host, code)
		}
	}
	for _, host := range []string{
		"evil.example" + port, "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "wild.example",
		"a.b.wild.example", "lab.lan", "10.0.0.1", "0.0.0.0", "[fe80::1]",
	} {
		same := []string{"Origin: http://" + host, "Sec-Fetch-Site: same-origin"}
		for _, at := range []string{
			public + " /", public + " /holdfast", public + " /holdfast.js", public + " /doctor", public + " /metrics",
			admin + " /metrics", admin + " /healthz",
		} {
			base, path, _ := strings.Cut(at, " ")
			for _, method := range []string{"GET", "POST"} {
				if code := ask(t, method, base, path, host, same...); code != 403 {
					t.Errorf("%s %s with Host %s: %d", method, at, host, code)
				}
			}
		}
	}
	if code := ask(t, "GET", public, "/", "shop.example", "Via: 1.1 nginx"); code != 200 {
		t.Errorf("from a proxy: %d", code)
	}
	if text := p.stderr.text(); strings.Count(text, "-hosts") != 2 { // once for each port
		t.Errorf("the log: %s", text)
	}
	p.stop()
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestNoHostCheck: where others can reach the server, or all names are listed, every Host is
// served.
func TestNoHostCheck(t *testing.T) {
	for i, args := range [][]string{{"-addr", "0.0.0.0:0"}, {"-addr", "127.0.0.1:0", "-hosts", "*"}} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p := start(t, args...)
			url := p.stdout.find(t, `Endpoint:\s+(\S+)`)
			url = "http://127.0.0.1" + strings.TrimSuffix(url[strings.LastIndex(url, ":"):], "/holdfast")
			if code := ask(t, "GET", url, "/holdfast.js", "evil.example"); code != 200 {
				t.Errorf("%d", code)
			}
			p.stop()
			<-p.code
		})
	}
}
