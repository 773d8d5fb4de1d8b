package network_test

import (
	"bufio"
	"bytes"
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/middlebox"
	"github.com/holdfast-rt/holdfast/conformance/network"
)

// startServer runs our server as a program; the suite imports none of it.
func startServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.Command("go", "build", "-o", binary, "../../server/cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-addr", "127.0.0.1:0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	in := bufio.NewScanner(out)
	for in.Scan() {
		if after, ok := strings.CutPrefix(in.Text(), "Endpoint:"); ok {
			return strings.TrimSpace(after)
		}
	}
	t.Fatalf("the server did not start: %s", stderr.String())
	return ""
}

// TestModes checks that each mode of the middlebox makes exactly those probes fail that it breaks.
func TestModes(t *testing.T) {
	target := startServer(t)
	for _, c := range []struct{ modes, broken string }{
		{"", ""},
		{"strip-upgrade", "websocket"},
		{"refuse-upgrade:403", "websocket"},
		{"mute", "websocket"},
		{"kill-ws:1500ms", "websocket"},
		{"limit-frame:8KiB", "websocket"},
		{"buffer@stream", "stream"},
		{"buffer@stream:32KiB", "stream"},
		{"one-behind@stream", "stream"},
		{"limit-body:8KiB", "body"},
		{"gateway-timeout@poll:1s", "hold"},
		{"cache@up", "poll body"},
		{"strip-reply:Cache-Control", "poll"},
		{"captive", "poll"},
	} {
		t.Run(c.modes, func(t *testing.T) {
			t.Parallel()
			box, err := middlebox.New(target, middlebox.MustParse(c.modes)...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(box.Close)
			through, err := box.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(through + "/holdfast")
			p := &network.Prober{URL: u, Hold: 5 * time.Second}
			var broken []string
			found, _ := p.Run(context.Background(), func(network.Finding) {})
			for _, f := range found {
				if !f.Fit {
					broken = append(broken, f.Probe)
					t.Logf("%s: %s", f.Probe, f.Saw)
				}
			}
			if got := strings.Join(broken, " "); got != c.broken {
				t.Errorf("not fit: %q, %q is", got, c.broken)
			}
		})
	}
}
