package session

import (
	"bytes"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

// testSequenceVector hands batches to a receiving log as a session does: parse, check, accept.
func testSequenceVector(t *testing.T, v *vector) {
	const maxMessage = 1 << 20
	var p packet
	var in recvLog
	for i, b := range v.Batches {
		err := p.parse(transport.Batch{Parts: [][]byte{b.Wire}}, v.limit())
		if err == nil {
			err = in.check(&p, maxMessage)
		}
		gap := false
		if err == nil {
			_, gap, err = in.accept(&p)
		}
		if (err != nil) != (b.Breaks != "") || gap != b.Gap || in.recv != b.Recv {
			t.Fatalf("batch %d: recv %d, gap %v, error %v; want %+v", i, in.recv, gap, err, b)
		}
	}
	for i, want := range v.Messages {
		got, ok := in.pop()
		data := want.Text
		if want.Binary != nil {
			data = want.Binary
		}
		if !ok || got.close != nil || got.Binary != (want.Binary != nil) || !bytes.Equal(got.Data, data) {
			t.Fatalf("message %d: %+v, want %+v", i, got, want)
		}
	}
	if got, ok := in.pop(); ok && got.close == nil {
		t.Errorf("one message too many: %+v", got)
	}
}
