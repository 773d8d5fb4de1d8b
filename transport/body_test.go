package transport_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

const nonce = "abcdefghijklmnop"

const head = "holdfast/1 up " + nonce + "\n"

func TestDecodeBody(t *testing.T) {
	long := strings.Repeat("n", 64)
	for _, tc := range []struct {
		name, body, lines string
		err               error
	}{
		{"one line", head + "@1 0\n.\n", "@1 0\n", nil},
		{"no line at all", head + ".\n", "", nil},
		{"no line, dot without LF", head + ".", "", nil},
		{"dot without LF", head + "@1 0\nta\n.", "@1 0\nta\n", nil},
		{"CRLF", "holdfast/1 up " + nonce + "\r\n@1 0\r\nta\r\n.\r\n", "@1 0\nta\n", nil},
		{"one CR only", head + "@1 0\nta\r\r\n.\n", "@1 0\nta\r\n", nil},
		{"a CR elsewhere is the grammar's", head + "@1 0\nta\rb\n.\n", "@1 0\nta\rb\n", nil},
		{"BOM in front", "\uFEFF" + head + "@1 0\n.\n", "@1 0\n", nil},
		{"BOM inside", head + "@1 0\nt\uFEFF\n.\n", "@1 0\nt\uFEFF\n", nil},
		{"two BOMs", "\uFEFF\uFEFF" + head + "@1 0\n.\n", "", transport.ErrGarbled},
		{"BOM before the second line", head + "\uFEFF@1 0\n.\n", "\uFEFF@1 0\n", nil},
		{"U+0085 and U+2028 end no line", head + "@1 0\nta\u0085.\u2028.\n.\n", "@1 0\nta\u0085.\u2028.\n", nil},
		{"U+0000", head + "@1 0\nt\x00\n.\n", "@1 0\nt\x00\n", nil},
		{"a line that begins with a dot is no end", head + "@1 0\n.x\n.\n", "@1 0\n.x\n", nil},
		{"longest nonce", "holdfast/1 up " + long + "\n.\n", "", nil},

		{"empty", "", "", transport.ErrTruncated},
		{"only the magic", "holdfast/1", "", transport.ErrTruncated},
		{"no end line", head + "@1 0\n", "", transport.ErrTruncated},
		{"cut inside a line", head + "@1 0\nta", "", transport.ErrTruncated},
		{"after the end line", head + "@1 0\n.\n.\n", "", transport.ErrGarbled},
		{"blank line after the end line", head + "@1 0\n.\n\n", "", transport.ErrGarbled},
		{"a page", "<!doctype html>\n<p>.\n", "", transport.ErrGarbled},
		{"a word", "ok", "", transport.ErrGarbled},
		{"another version", "holdfast/2 up " + nonce + "\n.\n", "", transport.ErrGarbled},
		{"version with a tail", "holdfast/11 up " + nonce + "\n.\n", "", transport.ErrGarbled},
		{"kind that is no word of the wire", "holdfast/1 socket " + nonce + "\n.\n", "", transport.ErrGarbled},
		{"kind in capitals", "holdfast/1 UP " + nonce + "\n.\n", "", transport.ErrGarbled},
		{"two spaces", "holdfast/1  up " + nonce + "\n.\n", "", transport.ErrGarbled},
		{"a fourth word", "holdfast/1 up " + nonce + " x\n.\n", "", transport.ErrGarbled},
		{"no nonce", "holdfast/1 up\n.\n", "", transport.ErrGarbled},
		{"short nonce", "holdfast/1 up abcdefghijklmno\n.\n", "", transport.ErrGarbled},
		{"long nonce", "holdfast/1 up " + long + "n\n.\n", "", transport.ErrGarbled},
		{"a stream's missing nonce", "holdfast/1 stream -\n.\n", "", transport.ErrGarbled},
		{"nonce with a dot", "holdfast/1 up abcdefghijklmno.\n.\n", "", transport.ErrGarbled},
		{"a lone byte of UTF-8", head + "@1 0\nt\xC3\n.\n", "", transport.ErrGarbled},
		{"a surrogate", head + "@1 0\nt\xED\xA0\x80\n.\n", "", transport.ErrGarbled},
		{"overlong", head + "@1 0\nt\xC0\x80\n.\n", "", transport.ErrGarbled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, lines, err := transport.DecodeBody([]byte(tc.body))
			if !errors.Is(err, tc.err) || (tc.err == nil) != (err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if string(lines) != tc.lines {
				t.Fatalf("lines %q, want %q", lines, tc.lines)
			}
			if err == nil && (p.Kind != transport.KindUp || len(p.Nonce) < 16) {
				t.Fatalf("preamble %+v", p)
			}
		})
	}
}

// A prefix of a body is never a batch, except the one that lacks only the last LF (HF1-BAT-01,
// HF1-HTTP-02).
func TestDecodeBodyTruncatedAnywhere(t *testing.T) {
	for _, body := range []string{
		head + "@1 0\nta.\n.b\nt€😀\n.\n",
		strings.ReplaceAll(head+"@1 0\nta\n.\n", "\n", "\r\n"),
	} {
		for n := range len(body) {
			_, lines, err := transport.DecodeBody([]byte(body[:n]))
			if whole := strings.HasSuffix(body[:n], "\n."); whole != (err == nil) || (!whole && lines != nil) {
				t.Errorf("cut after %d of %d bytes, %q: lines %q, error %v", n, len(body), body[:n], lines, err)
			}
		}
	}
}

func TestDecodeText(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"@1 0\n", "@1 0\n"},
		{"", ""},
		{"\uFEFF@1 0\r\nta\r\n\r\ntb\r\n", "@1 0\nta\n\ntb\n"},
		{"\r\n\r\n", "\n\n"},
		{"@1 0", "@1 0"}, // the missing LF is an error of the grammar
	} {
		if got, err := transport.DecodeText([]byte(tc.in)); err != nil || string(got) != tc.want {
			t.Errorf("%q: %q, %v, want %q", tc.in, got, err, tc.want)
		}
	}
	if _, err := transport.DecodeText([]byte("@1 0\nt\xff\n")); !errors.Is(err, transport.ErrGarbled) {
		t.Errorf("error %v, want %v", err, transport.ErrGarbled)
	}
}

func TestNonce(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n := transport.NewNonce()
		if !transport.ValidNonce(n) || seen[n] {
			t.Fatalf("nonce %q is not valid or came twice", n)
		}
		seen[n] = true
	}
}

func FuzzDecodeText(f *testing.F) {
	f.Add([]byte("\uFEFF@1 0\r\nta\r\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := transport.DecodeText(bytes.Clone(in))
		if err != nil {
			return
		}
		want := strings.ReplaceAll(strings.TrimPrefix(string(in), "\uFEFF"), "\r\n", "\n")
		if string(out) != want {
			t.Fatalf("%q of %q, want %q", out, in, want)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	f.Add([]byte(head + "@1 0\nta\n.\n"))
	f.Add([]byte("\uFEFFholdfast/1 poll " + nonce + "\r\n@1 0\r\n.\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, lines, err := transport.DecodeBody(bytes.Clone(in))
		if err != nil {
			if lines != nil {
				t.Fatalf("lines %q with error %v", lines, err)
			}
			return
		}
		if len(lines) > len(in) || (len(lines) > 0 && lines[len(lines)-1] != '\n') {
			t.Fatalf("lines %q of %q", lines, in)
		}
		// What was accepted means the same when it is written again, unless the removal of a CR has
		// put another CR before an LF.
		if bytes.Contains(lines, []byte("\r\n")) {
			return
		}
		again := append(append(p.AppendTo(nil), lines...), transport.End...)
		p2, lines2, err := transport.DecodeBody(bytes.Clone(again))
		if err != nil || p2 != p || !bytes.Equal(lines, lines2) {
			t.Fatalf("%q decoded again: %+v %q %v", again, p2, lines2, err)
		}
	})
}
