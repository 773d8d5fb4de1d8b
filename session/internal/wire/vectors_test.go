package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/session/internal/wire/wiretest"
	"github.com/holdfast-rt/holdfast/transport"
)

// vector has the fields of every form: see testdata/README.md of package session.
type vector struct {
	ID     string
	Rules  []string
	Why    string
	Breaks string

	Wire, Frame, Body wiretest.Octets
	Limit             int
	First, Ack        uint64
	Lines             json.RawMessage
	Canonical         bool
	More              bool
	Payload           wiretest.Octets

	Kind       transport.Kind
	Nonce      string
	Incomplete bool

	Text, Binary, Bytes wiretest.Octets
	Key, SessionID      string

	Batches []struct {
		Wire   wiretest.Octets
		Recv   uint64
		Gap    bool
		Breaks string
	}
	Messages []vectorLine
}

type vectorLine struct {
	Text, Binary wiretest.Octets
	More         bool
	Control      string
	Ignored      bool
	JSON         json.RawMessage
}

func (v *vector) limit() int {
	if v.Limit == 0 {
		return transport.DefaultMaxBatch
	}
	return v.Limit
}

func TestVectors(t *testing.T) {
	run := map[string]func(*testing.T, *vector){
		"batch": testBatchVector, "frame": testFrameVector, "body": testBodyVector, "split": testSplitVector,
		"unsendable": testUnsendableVector, "id": testIDVector,
	}
	files, err := filepath.Glob("../../testdata/vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		var file struct {
			Form    string
			Vectors []*vector
		}
		raw, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(raw, &file)
		}
		if file.Form == "sequence" { // of package logs
			continue
		}
		if err != nil || run[file.Form] == nil {
			t.Fatalf("%s: form %q: %v", name, file.Form, err)
		}
		for _, v := range file.Vectors {
			if seen[v.ID] || v.Why == "" || len(v.Rules) == 0 {
				t.Errorf("%s: id %q is there twice, or has no why or no rules", name, v.ID)
			}
			seen[v.ID] = true
			t.Run(v.ID, func(t *testing.T) { run[file.Form](t, v) })
		}
	}
}

// refused checks the reason of an error: if another rule refused the batch, the check of the right
// rule might be missing.
func refused(t *testing.T, v *vector, err error) {
	t.Helper()
	var protocolErr *ProtocolError
	switch {
	case err == nil:
		t.Errorf("accepted: %s", v.Why)
	case !errors.As(err, &protocolErr):
		t.Errorf("not a ProtocolError: %v", err)
	case protocolErr.Code != transport.CodeMalformed || !strings.Contains(protocolErr.Detail, v.Breaks):
		t.Errorf("refused for %v, want %s: %s", err, v.Breaks, v.Why)
	}
}

func testBatchVector(t *testing.T, v *vector) {
	// As a session gets it: the transport has removed a BOM and the CR of each CRLF.
	var p Packet
	text, err := transport.DecodeText(bytes.Clone(v.Wire))
	if err == nil {
		err = p.Parse(transport.Batch{Parts: [][]byte{text}}, v.limit())
		if v.Breaks != "" {
			refused(t, v, err)
		}
	}
	if v.Breaks != "" {
		// And the bytes as they are: Parse must not rely on the transport.
		if err == nil || p.Parse(transport.Batch{Parts: [][]byte{v.Wire}}, v.limit()) == nil {
			t.Errorf("accepted: %s", v.Why)
		}
		if p.Logs != 0 || len(p.Lines) != 0 {
			t.Error("the packet keeps a part of the batch")
		}
		return
	}
	if err != nil {
		t.Fatalf("%v: %s", err, v.Why)
	}
	compare(t, v, &p)
	if v.Canonical {
		if again := encode(t, &p); !bytes.Equal(again, v.Wire) {
			t.Errorf("encoded %q\nwant %q", again, v.Wire)
		}
	}
}

// compare checks a parsed batch against a vector.
func compare(t *testing.T, v *vector, p *Packet) {
	t.Helper()
	if p.First != v.First || p.Ack != v.Ack {
		t.Errorf("head %d %d, want %d %d", p.First, p.Ack, v.First, v.Ack)
	}
	var want []vectorLine
	if err := json.Unmarshal(v.Lines, &want); err != nil {
		t.Fatal(err)
	}
	if len(p.Lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(p.Lines), len(want))
	}
	logs := 0
	for i := range want {
		compareLine(t, &p.Lines[i], &want[i])
		if p.Lines[i].IsLog() {
			logs++
		}
	}
	if p.Logs != logs {
		t.Errorf("%d log lines counted, want %d", p.Logs, logs)
	}
}

func compareLine(t *testing.T, got *Line, want *vectorLine) {
	t.Helper()
	if want.Control == "" {
		kind, body := TextLine, want.Text
		if want.Binary != nil {
			kind, body = BinaryLine, want.Binary
		}
		if got.Kind != kind || got.More != want.More || !bytes.Equal(got.Body, body) {
			t.Errorf("line %+v, want %+v", got, want)
		}
		return
	}
	name := want.Control[1:]
	if want.Ignored {
		name = ""
	}
	if got.Kind != ControlLine || got.More || got.Name != name || got.Must != (want.Control[0] == '!') {
		t.Errorf("control %+v, want %+v", got, want)
	}
	if got.IsLog() != (want.Control == "!close") {
		t.Errorf("%s: IsLog is wrong", want.Control)
	}
	if want.Ignored || want.JSON == nil {
		return
	}
	var is, should any
	if err := errors.Join(json.Unmarshal(got.Body, &is), json.Unmarshal(want.JSON, &should)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(is, should) {
		t.Errorf("JSON %s, want %s", got.Body, want.JSON)
	}
}

// encode writes a parsed batch again. Controls are decoded and encoded; ignored ones are left out.
func encode(t testing.TB, p *Packet) []byte {
	t.Helper()
	b := AppendHead(nil, p.First, p.Ack)
	for _, l := range p.Lines {
		switch {
		case l.Kind == TextLine:
			b = AppendText(b, l.Body, l.More)
		case l.Kind == BinaryLine:
			b = AppendBinary(b, l.Body, l.More)
		case l.Name != "":
			v := newControl(l.Name)
			if l.Name == nameClose {
				v = new(Close)
			}
			if err := DecodeControl(l, v); err != nil {
				t.Fatalf("DecodeControl after Parse: %v", err)
			}
			b = AppendControl(b, v)
			if l.Name == nameMove && l.Body != nil {
				b = append(append(b[:len(b)-1], ' '), append(bytes.Clone(l.Body), '\n')...)
			}
		}
	}
	return b
}
