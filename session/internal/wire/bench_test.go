package wire

import (
	"bytes"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

func BenchmarkParse(b *testing.B) {
	text := bytes.Repeat([]byte("x"), 128)
	head := AppendHead(nil, 41, 17)
	frame := append(AppendBinaryHead(nil, 41, 17, false), text...)
	many := bytes.Clone(head)
	for range 100 {
		many = AppendText(many, text, false)
	}
	for _, bc := range []struct {
		name  string
		batch transport.Batch
	}{
		{"text-128", one(AppendText(bytes.Clone(head), text, false))},
		{"text-128x100", one(many)},
		{"escapes-128", one(AppendText(bytes.Clone(head), bytes.Repeat([]byte("x\n"), 64), false))},
		{"base64-128", one(AppendBinary(bytes.Clone(head), text, false))},
		{"frame-128", transport.Batch{Binary: true, Parts: [][]byte{frame}}},
		{"ping", one(AppendControl(bytes.Clone(head), Ping{I: 7}))},
		{"reply", one(AppendControl(bytes.Clone(head), Reply{Recv: 9, Sent: 17, Sel: Selection{U: 2, Att: 3}}))},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var p Packet
			b.ReportAllocs()
			b.SetBytes(int64(bc.batch.Len()))
			for b.Loop() {
				if err := p.Parse(bc.batch, 1<<16); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	text := bytes.Repeat([]byte("x"), 128)
	room := make([]byte, 0, 1024)
	for _, bc := range []struct {
		name string
		f    func([]byte) []byte
	}{
		{"text-128", func(dst []byte) []byte { return AppendText(AppendHead(dst, 41, 17), text, false) }},
		{"base64-128", func(dst []byte) []byte { return AppendBinary(AppendHead(dst, 41, 17), text, false) }},
		{"ping", func(dst []byte) []byte { return AppendControl(dst, Ping{I: 7}) }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				room = bc.f(room[:0])
			}
		})
	}
}

func BenchmarkDecodeControl(b *testing.B) {
	var p Packet
	if err := p.Parse(one(AppendControl(AppendHead(nil, 1, 0), Reply{Recv: 9})), 1<<16); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var r Reply
		if err := DecodeControl(p.Lines[0], &r); err != nil {
			b.Fatal(err)
		}
	}
}
