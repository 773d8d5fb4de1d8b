package session

import (
	"fmt"
	"testing"
)

// A message goes into the log, out of it into a batch, and is freed by its ack.
func BenchmarkAppendAck(b *testing.B) {
	for _, size := range []int{128, 16 << 10} {
		for _, kind := range []lineKind{lineText, lineBinary} {
			b.Run(fmt.Sprintf("%s-%d", []string{"text", "binary"}[kind], size), func(b *testing.B) {
				var l sendLog
				var out outBatch
				payload := make([]byte, size)
				for i := range payload {
					payload[i] = 'x'
				}
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					last := l.append(kind, payload)
					for pos := l.base; pos < last; {
						out.reset()
						pos = l.fill(&out, pos, 0, nil, 1<<20, 65536, true)
					}
					l.acked(last)
				}
			})
		}
	}
}
