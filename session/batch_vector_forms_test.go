package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

func testFrameVector(t *testing.T, v *vector) {
	var p packet
	err := p.parse(transport.Batch{Binary: true, Parts: [][]byte{v.Frame}}, v.limit())
	if v.Breaks != "" {
		refused(t, v, err)
		return
	}
	if err != nil {
		t.Fatalf("%v: %s", err, v.Why)
	}
	if p.first != v.First || p.ack != v.Ack || p.logs != 1 || len(p.lines) != 1 {
		t.Fatalf("parsed %+v", p)
	}
	if l := p.lines[0]; l.kind != lineBinary || l.more != v.More || !bytes.Equal(l.body, v.Payload) {
		t.Errorf("line %+v, want %+v", l, v)
	}
	if again := append(appendBinaryHead(nil, v.First, v.Ack, v.More), v.Payload...); v.Canonical && !bytes.Equal(again, v.Frame) {
		t.Errorf("encoded %q, want %q", again, v.Frame)
	}
}

func testBodyVector(t *testing.T, v *vector) {
	asked := transport.Preamble{Kind: v.Kind, Nonce: v.Nonce}
	reply, err := transport.ReadReply(bytes.NewReader(v.Body), asked, v.limit())
	if v.Incomplete != errors.Is(err, transport.ErrTruncated) {
		t.Errorf("%v, incomplete: %v", err, v.Incomplete)
	}
	var p packet
	if err == nil {
		defer reply.Release()
		err = p.parse(reply.Batch, v.limit())
	}
	if v.Breaks != "" {
		if err == nil {
			t.Errorf("accepted: %s", v.Why)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v: %s", err, v.Why)
	}
	compare(t, v, &p)
	if v.Canonical {
		again := append(asked.AppendTo(nil), encode(t, &p)...)
		if again = append(again, transport.End...); !bytes.Equal(again, v.Body) {
			t.Errorf("encoded %q\nwant %q", again, v.Body)
		}
	}
}

func testSplitVector(t *testing.T, v *vector) {
	var want, got []int
	if err := json.Unmarshal(v.Lines, &want); err != nil {
		t.Fatal(err)
	}
	message, split, write := v.Text, splitText, appendText
	if v.Binary != nil {
		message, split, write = v.Binary, splitBinary, appendBinary
	}
	batch := appendHead(nil, 1, 0)
	for piece, more := range split(message) {
		start := len(batch)
		batch = write(batch, piece, more)
		got = append(got, len(batch)-start)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("lines of %v bytes, want %v", got, want)
	}
	var p packet
	if err := p.parse(transport.Batch{Parts: [][]byte{batch}}, v.limit()); err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for i, l := range p.lines {
		whole = append(whole, l.body...)
		if l.more != (i < len(p.lines)-1) {
			t.Errorf("piece %d: more is %v", i, l.more)
		}
	}
	if !bytes.Equal(whole, message) {
		t.Error("the pieces do not make the message")
	}
}

func testUnsendableVector(t *testing.T, v *vector) {
	if isText(v.Bytes) {
		t.Errorf("taken for text: %s", v.Why)
	}
}

func testIDVector(t *testing.T, v *vector) {
	id, ok := idOf(v.Key)
	if id != v.SessionID || ok != (v.Breaks == "") {
		t.Errorf("id %q, %v; want %q: %s", id, ok, v.SessionID, v.Why)
	}
}
