package session

import (
	"bytes"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// What the registry books as retained is what the heap holds, within a factor of 1.3, whatever the
// messages look like. An idle session's own cost is not booked: MaxSessions bounds it.
func TestBooksMatchTheHeap(t *testing.T) {
	const factor = 1.3
	for name, fill := range map[string]func(*bench){
		"tiny lines received": func(b *bench) { b.receive(strings.Repeat("t\n", 20_000)) },
		"tiny lines with text received": func(b *bench) {
			b.receive(strings.Repeat("tsome text\n", 20_000))
		},
		"a large message received": func(b *bench) {
			b.receive(strings.Repeat("+t"+strings.Repeat("x", 1000)+"\n", 700) + "tend\n")
		},
		"pieces of a message that never ends": func(b *bench) {
			b.receive(strings.Repeat("+t"+strings.Repeat("x", 1000)+"\n", 700))
		},
		"tiny pieces": func(b *bench) { b.receive(strings.Repeat("+tx\n", 20_000)) },
		"tiny messages sent": func(b *bench) {
			for range 20_000 {
				b.send("x")
				_ = b.s.machine.Effects() // as whoever runs the machine takes them
			}
		},
		"large messages sent": func(b *bench) {
			for range 3 {
				b.sendBinary(300_000)
			}
		},
		"controls that nobody reads": func(b *bench) {
			for i := range 1000 {
				b.frame(b.conn, fmt.Sprintf("@1 0\n!ping {\"i\":%d}\n", i))
				_ = b.s.machine.Effects()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const sessions = 20
			var all []*bench
			for range sessions {
				b := newBench(t, RegistryConfig{Window: 16 << 20})
				b.conn = b.first(transport.KindSocket, openOne)
				b.want(b.conn, "!opened")
				all = append(all, b)
			}
			before := liveHeap()
			for _, b := range all {
				fill(b)
			}
			held := liveHeap() - before
			var booked int64
			for _, b := range all {
				booked += b.s.machine.Retained()
			}
			if ratio := float64(held) / float64(booked); ratio > factor || ratio < 1/factor {
				t.Errorf("%d bytes of heap, %d booked: %.2f times", held, booked, ratio)
			}
			goruntime.KeepAlive(all)
		})
	}
}

func liveHeap() int64 {
	goruntime.GC()
	goruntime.GC() // pools let go at the second
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// receive gives lines to the session in batches of 64 KiB.
func (b *bench) receive(lines string) {
	for len(lines) > 0 {
		cut := len(lines)
		if cut > 60_000 {
			cut = strings.LastIndexByte(lines[:60_000], '\n') + 1
		}
		head := fmt.Sprintf("@%d 0\n", b.s.machine.Snapshot().Received+1)
		frame := servermachine.ParseFrame(simBatch(false, []byte(head+lines[:cut])), new(wire.Packet), 65536)
		b.s.machine.Receive(&b.conn.Conn, frame, false, b.now)
		lines = lines[cut:]
	}
	if b.s.machine.Ended() {
		b.t.Fatal("the session has ended")
	}
}

func (b *bench) sendBinary(size int) {
	b.s.machine.Send(logs.Encode(wire.BinaryLine, bytes.Repeat([]byte{7}, size)), b.now)
}
