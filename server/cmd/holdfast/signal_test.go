package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestSignals: neither a reader of the log that went away nor SIGHUP ends the program; SIGTERM
// does, with a clean end.
func TestSignals(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-addr", "127.0.0.1:0")
	isOurs := func(v string) bool { return strings.HasPrefix(v, "HOLDFAST_") }
	env := slices.DeleteFunc(os.Environ(), isOurs)
	cmd.Env = append(env, asProgram+"=1", "HOLDFAST_ADRR=:80")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var base string
	for lines := bufio.NewScanner(stdout); base == "" && lines.Scan(); {
		if _, url, found := strings.Cut(lines.Text(), "Endpoint:"); found {
			base = strings.TrimSuffix(strings.TrimSpace(url), "/holdfast")
		}
	}
	if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || !strings.Contains(line, "HOLDFAST_ADDR") {
		t.Errorf("of the misspelt variable it says %q, %v", line, err)
	}
	_, _ = stderr.Close(), stdout.Close()
	for _, origin := range []string{"https://a.example", "https://b.example"} { // each has a line in the log
		if code := ask(t, "OPTIONS", base, "/holdfast", "localhost", "Origin: "+origin); code != http.StatusForbidden {
			t.Errorf("%s: %d", origin, code)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code := ask(t, "GET", base, "/healthz", "localhost"); code != http.StatusOK {
		t.Errorf("after SIGHUP: %d", code)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
