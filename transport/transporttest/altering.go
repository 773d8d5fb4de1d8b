package transporttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

// What a proxy may do to text without harm (HF1-BAT-06, HF1-HTTP-07).
func testRewritten(t *testing.T, c Config) {
	crlf := func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }
	space := func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("data:"), []byte("data: ")) }
	comments := func(p []byte) []byte { return append([]byte(": kept alive\n\nid:7\nevent: message\nretry:1\n"), p...) }
	for _, tc := range []struct {
		name     string
		up, down func([]byte) []byte
		only     transport.Kind
	}{
		{name: "untouched", up: bytes.Clone, down: bytes.Clone},
		{name: "CRLF", up: crlf, down: crlf},
		{name: "BOM", up: once(withBOM), down: once(withBOM)},
		{name: "BOM and CRLF", up: once(func(p []byte) []byte { return withBOM(crlf(p)) }), down: crlf},
		{name: "space after the colon", down: space, only: transport.KindStream},
		{name: "comments and fields", down: comments, only: transport.KindStream},
	} {
		if tc.only != "" && tc.only != c.Kind {
			continue
		}
		bubble(t, tc.name, func(t *testing.T) {
			up, down := numbered(some(3, c.Up), "up"), numbered(some(3, c.Down), "down")
			passes(t, c.run(setup{up: tc.up, down: tc.down}, up, down), up, down)
		})
	}
}

func withBOM(p []byte) []byte { return append([]byte("\uFEFF"), p...) }

// once applies f only to the first item that passes.
func once(f func([]byte) []byte) func([]byte) []byte {
	var done atomic.Bool
	return func(p []byte) []byte {
		if done.Swap(true) {
			return p
		}
		return f(p)
	}
}

var preambleLine = regexp.MustCompile(`(data:)?holdfast/1 ([a-z]+) (\S+)\n`)

// Data that is not holdfast, or not complete, is a fault of the Conn, and nothing of it is
// delivered (HF1-BAT-01, HF1-HTTP-01, HF1-HTTP-02).
func testGarbled(t *testing.T, c Config) {
	line := func(with string) func([]byte) []byte {
		return func(p []byte) []byte { return preambleLine.ReplaceAll(p, []byte(with)) }
	}
	replace := func(old, with string) func([]byte) []byte {
		return func(p []byte) []byte { return bytes.ReplaceAll(p, []byte(old), []byte(with)) }
	}
	const behind = "something behind the end line"
	for _, tc := range []struct {
		name string
		f    func([]byte) []byte
		http bool // there is no such thing in a WebSocket message
	}{
		{"a byte that is not UTF-8", replace("mark", "\xff"), false},
		{"half a surrogate pair", replace("mark", "\xed\xa0\xbd"), false},
		{"another nonce", line("${1}holdfast/1 $2 AAAAAAAAAAAAAAAA\n"), true},
		{"nonce with a byte more", line("${1}holdfast/1 $2 ${3}A\n"), true},
		{"another kind", line("${1}holdfast/1 " + otherKind(c.Kind) + " $3\n"), true},
		{"another version", line("${1}holdfast/2 $2 $3\n"), true},
		{"no preamble", line(""), true},
		{"a page", func([]byte) []byte { return []byte("<!doctype html>\n<title>Sign in</title>\n\n") }, true},
		{"nothing", func([]byte) []byte { return []byte{} }, true},
		{"no end line", func(p []byte) []byte {
			return bytes.TrimSuffix(bytes.Replace(p, []byte("data:.\n"), nil, 1), []byte(transport.End))
		}, true},
		{behind, replace("mark\n", "mark\n.\n"), true},
	} {
		if tc.http && c.Kind == transport.KindSocket {
			continue
		}
		batch := []transport.Batch{text("@1 0", "tmark")}
		bubble(t, tc.name+" up", func(t *testing.T) {
			o := c.run(setup{up: tc.f}, batch, batch)
			// Another nonce or kind is a good request: the client finds out.
			if err := errors.Join(o.upErr, o.refused); !fault(err) && !fault(o.downErr) || fault(err) && len(o.up) > 0 {
				t.Errorf("server received %v, error %v; client: %v", o.up, err, o.downErr)
			}
			if len(o.down) > 0 || o.downErr == nil || c.Kind != transport.KindSocket && errors.Is(o.downErr, io.EOF) {
				t.Errorf("client received %v, error %v", o.down, o.downErr)
			}
		})
		bubble(t, tc.name+" down", func(t *testing.T) {
			f := tc.f
			if tc.name == behind && c.Kind == transport.KindStream {
				f = replace("mark\n", "mark\ndata:.\n")
			}
			o := c.run(setup{down: f}, batch, batch)
			if len(o.down) > 0 || !fault(o.downErr) {
				t.Errorf("client received %v, error %v", o.down, o.downErr)
			}
			if !same(o.up, batch) {
				t.Errorf("server received %v, error %v", o.up, o.upErr)
			}
		})
	}
}

func fault(err error) bool {
	return errors.Is(err, transport.ErrGarbled) || errors.Is(err, transport.ErrTruncated)
}

func otherKind(k transport.Kind) string {
	if k == transport.KindUp {
		return string(transport.KindPoll)
	}
	return string(transport.KindUp)
}

// An answer of another server, or of a broken holdfast server, is a fault of the Conn (HF1-HTTP-04,
// HF1-HTTP-08).
func testNotHoldfast(t *testing.T, c Config) {
	for _, status := range []int{204, 302, 307, 400, 401, 403, 404, 407, 421, 429, 500, 502, 503, 504} {
		bubble(t, fmt.Sprint(status), func(t *testing.T) {
			requests := 0
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				w.Header().Set("Location", r.URL.String()+"/elsewhere")
				w.WriteHeader(status)
			})
			o := c.run(setup{handler: h}, []transport.Batch{text("@1 0")}, nil)
			var got *transport.StatusError
			if !errors.As(o.downErr, &got) || got.Status != status {
				t.Errorf("dial: %v, want status %d", o.downErr, status)
			}
			if requests != 1 {
				t.Errorf("%d requests, want 1", requests)
			}
		})
	}
	for _, media := range []string{"text/html", "text/plain", "text/event-stream", "application/octet-stream", ""} {
		bubble(t, "200 "+media, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", media)
				_, _ = io.WriteString(w, "data: <!doctype html>\n\ndata: .\n\n")
			})
			o := c.run(setup{handler: h}, []transport.Batch{text("@1 0")}, nil)
			var status *transport.StatusError
			if len(o.down) > 0 || !fault(o.downErr) &&
				!(c.Kind == transport.KindSocket && errors.As(o.downErr, &status)) {
				t.Errorf("client received %v, error %v", o.down, o.downErr)
			}
		})
	}
	bubble(t, "coded", func(t *testing.T) {
		if c.Kind == transport.KindSocket {
			return
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "br") })
		o := c.run(setup{handler: h}, []transport.Batch{text("@1 0")}, nil)
		if !errors.Is(o.downErr, transport.ErrGarbled) {
			t.Errorf("dial: %v, want %v", o.downErr, transport.ErrGarbled)
		}
	})
}
