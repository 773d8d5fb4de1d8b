package logs

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// A message is appended to the log, written to a batch, and freed by its ack.
func BenchmarkAppendAck(b *testing.B) {
	for _, size := range []int{128, 16 << 10} {
		for _, kind := range []wire.Kind{wire.TextLine, wire.BinaryLine} {
			b.Run(fmt.Sprintf("%s-%d", []string{"text", "binary"}[kind], size), func(b *testing.B) {
				var l SendLog
				var out Batch
				payload := bytes.Repeat([]byte("x"), size)
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					e := Encode(kind, payload)
					last := l.Append(&e)
					for pos := l.Acked(); pos < last; {
						out.Reset()
						pos = l.Fill(&out, Fill{From: pos, Window: 1 << 20, Limit: 65536, Socket: true})
					}
					l.Acknowledge(last)
				}
			})
		}
	}
}
