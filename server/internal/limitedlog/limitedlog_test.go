package limitedlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFlood: the lines of one message are bounded whatever they name, what is left out is counted,
// and no other message suffers.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		for i := range 1000 {
			if logged := l.Warn("refused", "name", i); logged != (i < Burst) {
				t.Fatalf("line %d: %t", i, logged)
			}
		}
		if n := strings.Count(out.String(), "\n"); n != Burst || strings.Contains(out.String(), "left_out") {
			t.Errorf("%d lines: %s", n, &out)
		}
		out.Reset()
		if !l.Error("broken") || !strings.Contains(out.String(), "level=ERROR") {
			t.Error("a flood of one message hid another")
		}
		time.Sleep(Every)
		out.Reset()
		l.Warn("refused", "name", "x")
		l.Warn("refused", "name", "y")
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "name=x left_out=990") {
			t.Errorf("after a minute: %s", got)
		}
		if !l.Minutely("full") || l.Minutely("full") {
			t.Error("one line a minute is not one line")
		}
		time.Sleep(Every * Burst * 10)
		out.Reset()
		for range 100 {
			l.Warn("refused")
		}
		if n := strings.Count(out.String(), "\n"); n != Burst {
			t.Errorf("%d lines at once after a long silence", n)
		}
	})
}
