package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

func one(b []byte) transport.Batch { return transport.Batch{Parts: [][]byte{b}} }

// A packet is used for many batches. Nothing of one batch may show in the next.
func TestPacketIsReused(t *testing.T) {
	var p Packet
	for i, tc := range []struct{ wire, want string }{
		{"@7 3\n+ta\\n\ntb\nbZg==\n!close {\"code\":4100,\"reason\":\"\"}\n", "7 3 4: +a\n b f !close"},
		{"@1 0\nta\n", "1 0 1: a"},
		{"@1 0\ntx\ny\n", "0 0 0:"}, // y is no line
		{"@2 0\n?grease\ntc\n", "2 0 1: ? c"},
		{"@3 0\n", "3 0 0:"},
	} {
		_ = p.Parse(one([]byte(tc.wire)), 1<<16)
		got := fmt.Sprintf("%d %d %d:", p.First, p.Ack, p.Logs)
		for _, l := range p.Lines {
			got += " "
			if l.More {
				got += "+"
			}
			switch {
			case l.Kind != ControlLine:
				got += string(l.Body)
			case l.Must:
				got += "!" + l.Name
			default:
				got += "?" + l.Name
			}
		}
		if got != tc.want {
			t.Errorf("batch %d: %q, want %q", i, got, tc.want)
		}
	}
}

// A batch may be shared by many receivers. Parse must not write to it, and appending to one body
// must not change another.
func TestParseLeavesTheBatchAlone(t *testing.T) {
	wire := []byte("@1 0\nta\\nb\nbZm9v\nt\\\\\nplain\n")
	wire = append(wire[:len(wire)-6], "tplain\n"...)
	before := bytes.Clone(wire)
	var p Packet
	if err := p.Parse(one(wire), 1<<16); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(wire, before) {
		t.Error("Parse wrote to the batch")
	}
	for i := range 3 {
		_ = append(p.Lines[i].Body, "xxxx"...)
	}
	for i, want := range []string{"a\nb", "foo", "\\", "plain"} {
		if string(p.Lines[i].Body) != want {
			t.Errorf("line %d is %q, want %q", i, p.Lines[i].Body, want)
		}
	}
}

func TestParseTakesParts(t *testing.T) {
	var p Packet
	parts := transport.Batch{Parts: [][]byte{[]byte("@1 0\nta"), []byte("b\n")}}
	if err := p.Parse(parts, 8); err == nil {
		t.Error("parts were accepted that are above the limit together")
	}
	if err := p.Parse(parts, 9); err != nil || string(p.Lines[0].Body) != "ab" {
		t.Errorf("error %v, packet %+v", err, p)
	}
	if err := p.Parse(transport.Batch{}, 9); err == nil {
		t.Error("a batch without parts was accepted")
	}
}

// After a large batch a packet must not keep its memory.
func TestPacketFreesMemory(t *testing.T) {
	const limit = 1 << 20
	var p Packet
	big := append([]byte("@1 0\n"), bytes.Repeat([]byte("t\\n\n"), limit/4-2)...)
	if err := p.Parse(one(big), limit); err != nil {
		t.Fatal(err)
	}
	if cap(p.scratch) > 2*limit || cap(p.Lines) > limit/4 {
		t.Errorf("room for %d bytes of scratch and %d lines", cap(p.scratch), cap(p.Lines))
	}
	if err := p.Parse(one([]byte("@1 0\n")), limit); err != nil {
		t.Fatal(err)
	}
	if cap(p.scratch) > keptScratch || cap(p.Lines) > keptLines {
		t.Errorf("the packet keeps room for %d bytes of scratch and %d lines", cap(p.scratch), cap(p.Lines))
	}
}

// Errors are logged and sent to the peer, so they must not show what it sent.
func TestProtocolErrorHoldsNoPayload(t *testing.T) {
	for _, wire := range []string{
		"@1 SECRET\n", "@1 0\nSECRET\n", "@1 0\ntSECRET\\x\n", "@1 0\nbSECRET!\n", "@1 0\n!secret {}\n",
		"@1 0\n!ping {\"SECRET\"}\n",
	} {
		err := new(Packet).Parse(one([]byte(wire)), 1<<16)
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("the error of %q is %v", wire, err)
		}
	}
}

func TestParseAllocates(t *testing.T) {
	text := AppendText(AppendHead(nil, 41, 17), bytes.Repeat([]byte("x"), 128), false)
	mixed := AppendControl(bytes.Clone(text), Reply{Recv: 1})
	mixed = AppendBinary(mixed, []byte("binary"), false)
	mixed = AppendText(mixed, []byte("with\nescapes"), false)
	frame := append(AppendBinaryHead(nil, 1, 0, false), 1, 2, 3)
	for name, b := range map[string]transport.Batch{
		"text": one(text), "mixed": one(mixed), "frame": {Binary: true, Parts: [][]byte{frame}},
	} {
		var p Packet
		if n := testing.AllocsPerRun(100, func() {
			if err := p.Parse(b, 1<<16); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	room := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		b := AppendHead(room[:0], 41, 17)
		b = AppendText(b, text, true)
		_ = AppendBinary(b, text, false)
	}); n != 0 {
		t.Errorf("append: %v allocations", n)
	}
}
