package wire

import "testing"

func TestShorten(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"short", "short"},
		{"exactly8", "exactly8"},
		{"nine byte", "nine byt"},
		{"sevenbyé", "sevenby"},
		{"a\xffb", "a\ufffdb"},
	} {
		if got := Shorten(c.in, 8); got != c.want {
			t.Errorf("Shorten(%q, 8) = %q, want %q", c.in, got, c.want)
		}
	}
}
