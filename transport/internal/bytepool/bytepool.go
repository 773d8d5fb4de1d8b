// Package bytepool keeps byte buffers of a few sizes for reading batches. It holds bytes only: no
// connection owns a buffer while it waits for its peer.
package bytepool

import (
	"io"
	"sync"
)

// sizes are the capacities that are kept. Each is four times the size before it: then growing
// copies little, and a buffer is never larger than four times the bytes received. A peer that
// announces much and sends little takes little memory.
var sizes = [...]int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}

var pools [len(sizes)]sync.Pool

// Buffer is a growing byte slice. It belongs to one goroutine at a time, from Get to Release.
type Buffer struct {
	B []byte
}

// Get returns an empty buffer with room for n bytes, or for the smallest size kept.
func Get(n int) *Buffer {
	for class, size := range sizes {
		if n <= size {
			return get(class)
		}
	}
	return &Buffer{B: make([]byte, 0, n)}
}

func get(class int) *Buffer {
	if b, ok := pools[class].Get().(*Buffer); ok {
		b.B = b.B[:0]
		return b
	}
	return &Buffer{B: make([]byte, 0, sizes[class])}
}

// Release gives the buffer back. Nothing may look at its bytes afterwards. A nil Buffer may be
// released.
func (b *Buffer) Release() {
	if b == nil {
		return
	}
	for class, size := range sizes {
		if cap(b.B) == size {
			pools[class].Put(b)
			return
		}
	}
	// Another size was made for one batch at the limit. It is left to the garbage collector.
}

// Room makes sure that at least one byte can be appended, without ever having more than limit bytes
// of capacity. It reports false when limit bytes are there already.
func (b *Buffer) Room(limit int) bool {
	if len(b.B) >= limit {
		return false
	}
	if len(b.B) < cap(b.B) {
		return true
	}
	b.grow(limit)
	return true
}

func (b *Buffer) grow(limit int) {
	for class, size := range sizes {
		if size <= cap(b.B) {
			continue
		}
		if size > limit {
			break
		}
		bigger := get(class)
		bigger.B = append(bigger.B, b.B...)
		// The two swap their slices: the caller's pointer stays valid, and the smaller slice goes
		// back to its pool.
		b.B, bigger.B = bigger.B, b.B
		bigger.Release()
		return
	}
	exact := make([]byte, len(b.B), min(limit, 4*cap(b.B)))
	copy(exact, b.B)
	(&Buffer{B: b.B}).Release()
	b.B = exact
}

// Fill appends what r gives until io.EOF, at most limit bytes. It reports full when the limit was
// reached before the end was seen.
func (b *Buffer) Fill(r io.Reader, limit int) (full bool, err error) {
	for b.Room(limit) {
		space := b.B[len(b.B):min(cap(b.B), limit)]
		n, err := r.Read(space)
		b.B = b.B[:len(b.B)+n]
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
