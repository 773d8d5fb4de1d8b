package session

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

func one(b []byte) transport.Batch { return transport.Batch{Parts: [][]byte{b}} }

// A packet serves many batches; what one left behind must not show in the next.
func TestPacketIsReused(t *testing.T) {
	var p packet
	for i, tc := range []struct{ wire, want string }{
		{"@7 3\n+ta\\n\ntb\nbZg==\n!close {\"code\":4100,\"reason\":\"\"}\n", "7 3 4: +a\n b f !close"},
		{"@1 0\nta\n", "1 0 1: a"},
		{"@1 0\ntx\ny\n", "0 0 0:"}, // broken
		{"@2 0\n?grease\ntc\n", "2 0 1: ? c"},
		{"@3 0\n", "3 0 0:"},
	} {
		_ = p.parse(one([]byte(tc.wire)), 1<<16)
		got := fmt.Sprintf("%d %d %d:", p.first, p.ack, p.logs)
		for _, l := range p.lines {
			got += " "
			if l.more {
				got += "+"
			}
			switch {
			case l.kind != lineControl:
				got += string(l.body)
			case l.must:
				got += "!" + l.name
			default:
				got += "?" + l.name
			}
		}
		if got != tc.want {
			t.Errorf("batch %d: %q, want %q", i, got, tc.want)
		}
	}
}

// A batch may be shared by many receivers: parse must not write to it, and bodies must not grow into each other.
func TestParseLeavesTheBatchAlone(t *testing.T) {
	wire := []byte("@1 0\nta\\nb\nbZm9v\nt\\\\\nplain\n")
	wire = append(wire[:len(wire)-6], "tplain\n"...)
	before := bytes.Clone(wire)
	var p packet
	if err := p.parse(one(wire), 1<<16); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(wire, before) {
		t.Error("parse wrote to the batch")
	}
	for i := range 3 {
		_ = append(p.lines[i].body, "xxxx"...)
	}
	for i, want := range []string{"a\nb", "foo", "\\", "plain"} {
		if string(p.lines[i].body) != want {
			t.Errorf("line %d is %q, want %q", i, p.lines[i].body, want)
		}
	}
}

func TestParseTakesParts(t *testing.T) {
	var p packet
	if err := p.parse(transport.Batch{Parts: [][]byte{[]byte("@1 0\nta"), []byte("b\n")}}, 8); err == nil {
		t.Error("the parts together are above the limit")
	}
	if err := p.parse(transport.Batch{Parts: [][]byte{[]byte("@1 0\nta"), []byte("b\n")}}, 9); err != nil || string(p.lines[0].body) != "ab" {
		t.Errorf("%v, %+v", err, p)
	}
	if err := p.parse(transport.Batch{}, 9); err == nil {
		t.Error("a batch without parts")
	}
}

// What a packet keeps does not grow with the largest batch it has seen.
func TestPacketLetsGo(t *testing.T) {
	const limit = 1 << 20
	var p packet
	big := append([]byte("@1 0\n"), bytes.Repeat([]byte("t\\n\n"), limit/4-2)...)
	if err := p.parse(one(big), limit); err != nil {
		t.Fatal(err)
	}
	if cap(p.scratch) > 2*limit || cap(p.lines) > limit/4 {
		t.Errorf("%d bytes of scratch, %d lines", cap(p.scratch), cap(p.lines))
	}
	if err := p.parse(one([]byte("@1 0\n")), limit); err != nil {
		t.Fatal(err)
	}
	if cap(p.scratch) > keptScratch || cap(p.lines) > keptLines {
		t.Errorf("kept %d bytes of scratch, %d lines", cap(p.scratch), cap(p.lines))
	}
}

// Errors are logged and told to the peer: they must not repeat what it sent.
func TestProtocolErrorHoldsNoPayload(t *testing.T) {
	for _, wire := range []string{"@1 SECRET\n", "@1 0\nSECRET\n", "@1 0\ntSECRET\\x\n", "@1 0\nbSECRET!\n", "@1 0\n!secret {}\n", "@1 0\n!ping {\"SECRET\"}\n"} {
		err := new(packet).parse(one([]byte(wire)), 1<<16)
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("%q: %v", wire, err)
		}
	}
}

func TestParseAllocates(t *testing.T) {
	text := appendText(appendHead(nil, 41, 17), bytes.Repeat([]byte("x"), 128), false)
	mixed := appendControl(bytes.Clone(text), true, nameReply, replyControl{Recv: 1})
	mixed = appendBinary(mixed, []byte("binary"), false)
	mixed = appendText(mixed, []byte("with\nescapes"), false)
	frame := append(appendBinaryHead(nil, 1, 0, false), 1, 2, 3)
	for name, b := range map[string]transport.Batch{
		"text": one(text), "mixed": one(mixed), "frame": {Binary: true, Parts: [][]byte{frame}},
	} {
		var p packet
		if n := testing.AllocsPerRun(100, func() {
			if err := p.parse(b, 1<<16); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	room := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		b := appendHead(room[:0], 41, 17)
		b = appendText(b, text, true)
		_ = appendBinary(b, text, false)
	}); n != 0 {
		t.Errorf("append: %v allocations", n)
	}
}
