package bytepool_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/holdfast-rt/holdfast/transport/internal/bytepool"
)

func TestFill(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name        string
		size, limit int
		full        bool
	}{
		{"empty", 0, 10, false},
		{"one below the limit", 9, 10, false},
		{"at the limit the end is unseen", 10, 10, true},
		{"above", 11, 10, true},
		{"exactly a kept size", 1 << 10, 1<<20 + 1, false},
		{"grows over every kept size", 300 << 10, 1 << 20, false},
		{"limit between two sizes", 5000, 5000, true},
		{"limit above all sizes", 1<<20 + 5, 1<<20 + 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := bytes.Repeat([]byte{'x'}, tc.size)
			b := bytepool.Get(0)
			defer b.Release()
			full, err := b.Fill(iotest.HalfReader(bytes.NewReader(want)), tc.limit)
			if err != nil || full != tc.full {
				t.Fatalf("full %v, err %v, want %v, nil", full, err, tc.full)
			}
			if got, want := b.B, want[:min(tc.size, tc.limit)]; !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, want %d", len(got), len(want))
			}
			if cap(b.B) > max(tc.limit, 1<<10) {
				t.Fatalf("capacity %d above the limit %d", cap(b.B), tc.limit)
			}
		})
	}
	b := bytepool.Get(0)
	r := io.MultiReader(bytes.NewReader([]byte("ab")), iotest.ErrReader(broken))
	if _, err := b.Fill(r, 10); !errors.Is(err, broken) {
		t.Fatalf("error %v, want the reader's", err)
	}
}

func TestReleaseNil(t *testing.T) {
	var b *bytepool.Buffer
	b.Release()
}

func TestReadAllocatesNothing(t *testing.T) {
	data := bytes.Repeat([]byte{'x'}, 900)
	r := bytes.NewReader(data)
	n := testing.AllocsPerRun(100, func() {
		r.Reset(data)
		b := bytepool.Get(0)
		_, _ = b.Fill(r, 1<<16)
		b.Release()
	})
	if n > 0 {
		t.Fatalf("%v allocations a read", n)
	}
}
