package logs

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/session/internal/wire/wiretest"
	"github.com/holdfast-rt/holdfast/transport"
)

// sequence is a vector of the form "sequence": see testdata/README.md of package session.
type sequence struct {
	ID, Why string
	Rules   []string
	Limit   int
	Batches []struct {
		Wire   wiretest.Octets
		Recv   uint64
		Gap    bool
		Breaks string
	}
	Messages []struct{ Text, Binary wiretest.Octets }
}

// TestSequences gives batches to a receive log as a session does: parse, check, accept.
func TestSequences(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/vectors/sequences.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Form    string
		Vectors []sequence
	}
	if err := json.Unmarshal(raw, &file); err != nil || file.Form != "sequence" || len(file.Vectors) == 0 {
		t.Fatalf("form %q, %d vectors: %v", file.Form, len(file.Vectors), err)
	}
	for _, v := range file.Vectors {
		if v.Why == "" || len(v.Rules) == 0 {
			t.Errorf("%s has no why or no rules", v.ID)
		}
		t.Run(v.ID, func(t *testing.T) { runSequence(t, v) })
	}
}

func runSequence(t *testing.T, v sequence) {
	const maxMessage = 1 << 20
	if v.Limit == 0 {
		v.Limit = transport.DefaultMaxBatch
	}
	var p wire.Packet
	var in ReceiveLog
	for i, b := range v.Batches {
		err := p.Parse(transport.Batch{Parts: [][]byte{b.Wire}}, v.Limit)
		if err == nil {
			err = in.Check(&p, maxMessage)
		}
		gap := false
		if err == nil {
			_, gap, err = in.Accept(&p)
		}
		if (err != nil) != (b.Breaks != "") || gap != b.Gap || in.Received() != b.Recv {
			t.Fatalf("batch %d: recv %d, gap %v, error %v; want %+v", i, in.Received(), gap, err, b)
		}
	}
	for i, want := range v.Messages {
		data := want.Text
		if want.Binary != nil {
			data = want.Binary
		}
		got, ok := in.Pop()
		if !ok || got.Close != nil || got.Binary != (want.Binary != nil) || !bytes.Equal(got.Data, data) {
			t.Fatalf("message %d: %+v, want %q", i, got, data)
		}
	}
	if got, ok := in.Pop(); ok && got.Close == nil {
		t.Errorf("one message too many: %+v", got)
	}
}
