package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// doctorRun runs holdfast doctor and returns its exit code and output.
func doctorRun(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err output
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	code = Run(t.Context(), append([]string{"doctor"}, args...), environ, &out, &err)
	return code, out.text(), err.text()
}

// TestDoctor: with our own server every transport fits, in the text and in the JSON.
func TestDoctor(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	endpoint := p.stdout.find(t, `Endpoint:\s+(\S+)`)
	code, out, _ := doctorRun(t, nil, "-json", endpoint)
	var r struct {
		Verdict    string
		Findings   []struct{ ID string }
		Transports []struct{ Name, State, Session string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Verdict != "good" || len(r.Findings) > 0 ||
		len(r.Transports) != 3 {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	for _, x := range r.Transports {
		if x.State != "fits" || x.Session == "" {
			t.Errorf("%+v", x)
		}
	}
	p.stop()
	if code := <-p.code; code != 0 {
		t.Errorf("the server's exit code is %d: %s", code, p.stderr.text())
	}
}

// TestDoctorByProxy: it uses the proxy of the environment, but not for hosts in NO_PROXY.
func TestDoctorByProxy(t *testing.T) {
	asked := make(chan string, 100)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		http.Error(w, "not allowed here", http.StatusForbidden)
	})}
	go func() { _ = srv.Serve(proxy) }()
	t.Cleanup(func() { _ = srv.Close() })
	env := map[string]string{"HTTP_PROXY": "http://user:hunter2@" + proxy.Addr().String()}
	code, out, _ := doctorRun(t, env, "http://holdfast.invalid/holdfast?token=hunter2")
	if code != exitBlocked || !strings.Contains(out, "proxy-in-use") ||
		!strings.Contains(out, "the proxy answered CONNECT: Forbidden") ||
		!strings.Contains(out, "status 403 Forbidden, “not allowed here”") || strings.Contains(out, "hunter2") {
		t.Errorf("exit code %d: %s", code, out)
	}
	seen := map[string]bool{}
	for len(asked) > 0 {
		seen[<-asked] = true
	}
	if !seen["CONNECT holdfast.invalid:80"] || !seen["POST holdfast.invalid"] {
		t.Errorf("the proxy was asked for %v", seen)
	}
	env["NO_PROXY"] = "holdfast.invalid"
	code, out, _ = doctorRun(t, env, "http://holdfast.invalid/holdfast")
	if code != exitBlocked || !strings.Contains(out, "unreachable") || len(asked) > 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestDoctorUsage: each mistake gives one line and exit code 64.
func TestDoctorUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"no URL": {}, "two": {"http://a", "http://b"}, "not a URL": {"holdfast"}, "flag": {"-frob", "http://a"},
		"timeout": {"-timeout", "1s", "http://a"},
		"auth":    {"http://a"},
	} {
		env := map[string]string{}
		if name == "auth" {
			env["HOLDFAST_AUTH"] = "no JSON"
		}
		code, out, err := doctorRun(t, env, append([]string{"-json"}, args...)...)
		if code != exitUsage || strings.Count(err, "\n") != 1 || out != "" {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, err)
		}
	}
	if code, out, err := doctorRun(t, nil, "-help"); code != 0 || !strings.Contains(out, "-long") || err != "" {
		t.Errorf("-help: %d %q %q", code, out, err)
	}
}

// TestDoctorInterrupted: when it is interrupted, it prints what it knows.
func TestDoctorInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out output
	code := Run(ctx, []string{"doctor", "http://127.0.0.1:9/"}, nil, &out, io.Discard)
	if code != exitBlocked || !strings.Contains(out.text(), "the time was over") {
		t.Errorf("exit code %d: %s", code, out.text())
	}
}
