package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// sizesToTry are sizes of bodies and frames; the first is the largest that the server accepts.
func sizesToTry(maxSize int) []int {
	sizes := []int{maxSize}
	for _, n := range []int{32 << 10, 16 << 10, 8 << 10, 4 << 10, 2 << 10} {
		if n < maxSize {
			sizes = append(sizes, n)
		}
	}
	return sizes
}

// padded is a batch of exactly n bytes that asks for pong i: the server must ignore the padding
// (HF1-BAT-10).
func padded(n, i int, lines ...string) []byte {
	b := append([]byte("@1 0\n"), strings.Join(append(lines, ping(i)), "")...)
	const pad = `?grease-size {"x":""}` + "\n"
	for len(b)+len(pad) <= n {
		fill := min(n-len(b)-len(pad), 8000-len(pad))
		if left := n - len(b) - len(pad) - fill; 0 < left && left < len(pad) {
			fill -= len(pad) // so that the next one has space for its own syntax
		}
		b = append(b, `?grease-size {"x":"`+strings.Repeat("x", fill)+`"}`+"\n"...)
	}
	return b
}

// sizes sends bodies of the largest size that the server accepts, and smaller ones until one
// passes.
func (d *diagnosis) sizes(ctx context.Context, p *probe) {
	var evidence []string
	for i, n := range sizesToTry(p.maxBatch()) {
		wait := remaining(ctx, replyWait+p.responseTimeout())
		if wait < time.Second {
			break
		}
		k, t := p.post(ctx, transport.KindUp, wait, padded(n, i+2, p.up()))
		if t == nil && ponged(k, i+2) {
			d.fact("largest request that passed", fmt.Sprintf("%d bytes", n))
			break
		}
		if t == nil {
			t = &problem{"size-cap", "answered without the pong it asked for"}
		}
		if t.id == "" {
			return
		}
		evidence = append(evidence, fmt.Sprintf("a request of %d bytes: %s", n, t.evidence))
	}
	for _, e := range evidence {
		p.find("size-cap", e)
	}
}

// frames sends frames of the largest size that the server accepts, and smaller ones until one
// passes. Each needs its own socket, because a frame that does not pass ends it.
func (d *diagnosis) frames(ctx context.Context, p *probe) {
	for _, n := range sizesToTry(p.maxBatch()) {
		if remaining(ctx, time.Minute) < 2*time.Second {
			return
		}
		q := d.newProbe(p.result.Name)
		s := q.socket(ctx)
		if s == nil || !s.start(ctx) {
			if s != nil {
				s.end(ctx, false)
			}
			return
		}
		_ = s.send(padded(n, 1000)) // if it fails, the reader has the reason
		wait := remaining(ctx, replyWait+q.responseTimeout())
		ok := s.until(ctx, wait, func(k *packet) bool { return ponged(k, 1000) })
		var evidence string
		switch {
		case ok:
			d.fact("largest frame that passed", fmt.Sprintf("%d bytes", n))
		case s.dead:
			evidence = fmt.Sprintf("a frame of %d bytes ended the socket: %s", n, s.why())
		default:
			evidence = fmt.Sprintf("a frame of %d bytes had no answer within %s", n, took(replyWait))
		}
		s.end(ctx, ok)
		if ok || spent(ctx) {
			return
		}
		p.find("size-cap", evidence)
	}
}
