package transporttest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

// numbered makes n different batches.
func numbered(n int, side string) []transport.Batch {
	var bs []transport.Batch
	for i := range n {
		bs = append(bs, text(fmt.Sprintf("@%d 0", i+1), fmt.Sprintf("t%s %d", side, i)))
	}
	return bs
}

// passes asserts that everything arrived, both ways, and that the client saw a regular end.
func passes(t *testing.T, o outcome, up, down []transport.Batch) {
	t.Helper()
	if !same(o.up, up) || o.upErr != nil {
		t.Errorf("server received %d of %d batches, or others; error %v, refused %v", len(o.up), len(up), o.upErr,
			o.refused)
	}
	if !same(o.down, down) || !errors.Is(o.downErr, io.EOF) {
		t.Errorf("client received %d of %d batches, or others; error %v", len(o.down), len(down), o.downErr)
	}
}

func testOrder(t *testing.T, c Config) {
	bubble(t, "many", func(t *testing.T) {
		up, down := numbered(some(500, c.Up), "up"), numbered(some(500, c.Down), "down")
		passes(t, c.run(setup{}, up, down), up, down)
	})
}

const testLimit = 70_000 // above the sizes at which frames and buffers change

func testSizes(t *testing.T, c Config) {
	for _, size := range []int{
		5, 6, 125, 126, 127, 510, 511, 512, 513, 1023, 1025, 4095, 4096, 4097, 8191, 8193, 16384, 65535, 65536, 65537,
		testLimit - 1, testLimit,
	} {
		bubble(t, fmt.Sprint(size), func(t *testing.T) {
			b := []transport.Batch{sized(size)}
			passes(t, c.run(setup{limits: Limits{MaxBatch: testLimit}}, b, b), b, b)
		})
	}
	bubble(t, "many short lines", func(t *testing.T) {
		b := []transport.Batch{{Parts: [][]byte{[]byte("@1 0\n"), []byte(strings.Repeat("t\n", (testLimit-5)/2))}}}
		passes(t, c.run(setup{limits: Limits{MaxBatch: testLimit}}, b, b), b, b)
	})
	bubble(t, "parts that end anywhere", func(t *testing.T) {
		b := []transport.Batch{{Parts: [][]byte{
			[]byte("@1"),
			{},
			[]byte(" 0\nta"), []byte("\n"), []byte("tb\ntc\n"),
			nil,
		}}}
		passes(t, c.run(setup{}, b, b), b, b)
	})
}

// sized is a text batch of n bytes, at least 5.
func sized(n int) transport.Batch {
	const head = "@1 0\n"
	switch {
	case n == len(head):
		return transport.Batch{Parts: [][]byte{[]byte(head)}}
	case n == len(head)+1:
		return transport.Batch{Parts: [][]byte{[]byte("@10 0\n")}}
	}
	return transport.Batch{Parts: [][]byte{[]byte(head), []byte("t" + strings.Repeat("x", n-len(head)-2) + "\n")}}
}

// HF1-BAT-05: refused, and nothing delivered; a batch before it is.
func testTooLarge(t *testing.T, c Config) {
	small := text("@1 0")
	for _, over := range []int{1, 2, 500, 100_000} {
		big := sized(testLimit + over)
		limits := setup{limits: Limits{MaxBatch: testLimit}}
		bubble(t, fmt.Sprintf("up by %d", over), func(t *testing.T) {
			o := c.run(limits, []transport.Batch{big}, []transport.Batch{small})
			if err := errors.Join(o.upErr, o.refused); len(o.up) > 0 || !errors.Is(err, transport.ErrTooLarge) {
				t.Errorf("server received %d batches, error %v, want %v", len(o.up), err, transport.ErrTooLarge)
			}
			if len(o.down) > 0 || o.downErr == nil || errors.Is(o.downErr, io.EOF) {
				t.Errorf("client received %d batches, error %v", len(o.down), o.downErr)
			}
		})
		bubble(t, fmt.Sprintf("down by %d", over), func(t *testing.T) {
			down := []transport.Batch{small, big}[2-some(2, c.Down):]
			o := c.run(limits, []transport.Batch{small}, down)
			if !same(o.down, down[:len(down)-1]) || !errors.Is(o.downErr, transport.ErrTooLarge) {
				t.Errorf("client received %d batches, error %v, want %v", len(o.down), o.downErr, transport.ErrTooLarge)
			}
		})
	}
}

// What no transport may mistake for the end of a line, of a batch or of the text (HF1-BAT-02,
// HF1-BAT-06).
func testUnicode(t *testing.T, c Config) {
	bubble(t, "lines", func(t *testing.T) {
		b := []transport.Batch{text("@1 0", "t\x00", "t\uFEFF", "t\u0085\u2028\u2029\v\f", "t data: x", "t: comment",
			"t.", `t\\\n\r`,
			"t😀 שלום नमस्ते 你好", "t\U0010FFFF\uFFFF\uFFFD", "tid:1", "t", `!x {"a":"<script>"}`)}
		passes(t, c.run(setup{}, b, b), b, b)
	})
}

func testBinary(t *testing.T, c Config) {
	b := transport.Batch{Binary: true, Parts: [][]byte{[]byte("@1 0\n"), {0xff, 0x00, '\r', '\n', '.', '\n'}}}
	bubble(t, "both ways", func(t *testing.T) {
		if c.Kind == transport.KindSocket {
			bs := []transport.Batch{b, b, text("@2 0"), b}
			passes(t, c.run(setup{}, bs, bs), bs, bs)
			return
		}
		o := c.run(setup{}, []transport.Batch{b}, nil)
		if !errors.Is(o.downErr, transport.ErrBinary) || o.served {
			t.Errorf("dial: %v, want %v", o.downErr, transport.ErrBinary)
		}
		o = c.run(setup{}, []transport.Batch{text("@1 0")}, []transport.Batch{b})
		if !errors.Is(o.upErr, transport.ErrBinary) || len(o.down) > 0 {
			t.Errorf("server's send: %v, want %v", o.upErr, transport.ErrBinary)
		}
	})
}
