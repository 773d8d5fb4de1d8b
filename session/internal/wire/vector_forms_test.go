package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

func testFrameVector(t *testing.T, v *vector) {
	var p Packet
	err := p.Parse(transport.Batch{Binary: true, Parts: [][]byte{v.Frame}}, v.limit())
	if v.Breaks != "" {
		refused(t, v, err)
		return
	}
	if err != nil {
		t.Fatalf("%v: %s", err, v.Why)
	}
	if p.First != v.First || p.Ack != v.Ack || p.Logs != 1 || len(p.Lines) != 1 {
		t.Fatalf("parsed %+v", p)
	}
	if l := p.Lines[0]; l.Kind != BinaryLine || l.More != v.More || !bytes.Equal(l.Body, v.Payload) {
		t.Errorf("line %+v, want %+v", l, v)
	}
	again := append(AppendBinaryHead(nil, v.First, v.Ack, v.More), v.Payload...)
	if v.Canonical && !bytes.Equal(again, v.Frame) {
		t.Errorf("encoded %q, want %q", again, v.Frame)
	}
}

func testBodyVector(t *testing.T, v *vector) {
	asked := transport.Preamble{Kind: v.Kind, Nonce: v.Nonce}
	reply, err := transport.ReadReply(bytes.NewReader(v.Body), asked, v.limit())
	if v.Incomplete != errors.Is(err, transport.ErrTruncated) {
		t.Errorf("the error is %v; incomplete: %v", err, v.Incomplete)
	}
	var p Packet
	if err == nil {
		defer reply.Release()
		err = p.Parse(reply.Batch, v.limit())
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
	message, split, write := v.Text, SplitText, AppendText
	if v.Binary != nil {
		message, split, write = v.Binary, SplitBinary, AppendBinary
	}
	batch := AppendHead(nil, 1, 0)
	for piece, more := range split(message) {
		start := len(batch)
		batch = write(batch, piece, more)
		got = append(got, len(batch)-start)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("lines of %v bytes, want %v", got, want)
	}
	var p Packet
	if err := p.Parse(transport.Batch{Parts: [][]byte{batch}}, v.limit()); err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for i, l := range p.Lines {
		whole = append(whole, l.Body...)
		if l.More != (i < len(p.Lines)-1) {
			t.Errorf("piece %d: more is %v", i, l.More)
		}
	}
	if !bytes.Equal(whole, message) {
		t.Error("the pieces together are not the message")
	}
}

func testUnsendableVector(t *testing.T, v *vector) {
	if IsText(v.Bytes) {
		t.Errorf("accepted as text: %s", v.Why)
	}
}

func testIDVector(t *testing.T, v *vector) {
	id, ok := SessionID(v.Key)
	if id != v.SessionID || ok != (v.Breaks == "") {
		t.Errorf("id %q, ok %v; want %q: %s", id, ok, v.SessionID, v.Why)
	}
}
