package session

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

// octets is bytes as testdata/README.md writes them.
type octets []byte

func (o *octets) UnmarshalJSON(raw []byte) error {
	*o = octets{}
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		*o = octets(s)
		return err
	case '[':
		var parts []octets
		err := json.Unmarshal(raw, &parts)
		for _, p := range parts {
			*o = append(*o, p...)
		}
		return err
	}
	var v struct {
		Base64 *string
		Repeat octets
		Times  int
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v.Base64 != nil {
		b, err := base64.StdEncoding.DecodeString(*v.Base64)
		*o = b
		return err
	}
	*o = bytes.Repeat(v.Repeat, v.Times)
	return nil
}

// vector has the fields of every form.
type vector struct {
	ID     string
	Rules  []string
	Why    string
	Breaks string

	Wire, Frame, Body octets
	Limit             int
	First, Ack        uint64
	Lines             json.RawMessage
	Canonical         bool
	More              bool
	Payload           octets

	Kind       transport.Kind
	Nonce      string
	Incomplete bool

	Text, Binary, Bytes octets
	Key, SessionID      string

	Batches []struct {
		Wire   octets
		Recv   uint64
		Gap    bool
		Breaks string
	}
	Messages []vectorLine
}

type vectorLine struct {
	Text, Binary octets
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
		"unsendable": testUnsendableVector, "id": testIDVector, "sequence": testSequenceVector,
	}
	files, err := filepath.Glob("testdata/vectors/*.json")
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
		if err != nil || run[file.Form] == nil {
			t.Fatalf("%s: form %q: %v", name, file.Form, err)
		}
		for _, v := range file.Vectors {
			if seen[v.ID] || v.Why == "" || len(v.Rules) == 0 {
				t.Errorf("%s: id %q is there twice, or says too little", name, v.ID)
			}
			seen[v.ID] = true
			t.Run(v.ID, func(t *testing.T) { run[file.Form](t, v) })
		}
	}
}

// refused checks that a refusal has the right reason: an error for another one would hide that a check is missing.
func refused(t *testing.T, v *vector, err error) {
	t.Helper()
	var broken *ProtocolError
	switch {
	case err == nil:
		t.Errorf("accepted: %s", v.Why)
	case !errors.As(err, &broken):
		t.Errorf("not a ProtocolError: %v", err)
	case broken.Code != transport.CodeMalformed || !strings.Contains(broken.Detail, v.Breaks):
		t.Errorf("refused for %v, want %s: %s", err, v.Breaks, v.Why)
	}
}

func testBatchVector(t *testing.T, v *vector) {
	// As it comes: the transport takes out a BOM and the CR of each CRLF.
	var p packet
	text, err := transport.DecodeText(bytes.Clone(v.Wire))
	if err == nil {
		err = p.parse(transport.Batch{Parts: [][]byte{text}}, v.limit())
		if v.Breaks != "" {
			refused(t, v, err)
		}
	}
	if v.Breaks != "" {
		// And as it must not come: parse relies on nobody.
		if err == nil || p.parse(transport.Batch{Parts: [][]byte{v.Wire}}, v.limit()) == nil {
			t.Errorf("accepted: %s", v.Why)
		}
		if p.logs != 0 || len(p.lines) != 0 {
			t.Error("something of it was kept")
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
func compare(t *testing.T, v *vector, p *packet) {
	t.Helper()
	if p.first != v.First || p.ack != v.Ack {
		t.Errorf("head %d %d, want %d %d", p.first, p.ack, v.First, v.Ack)
	}
	var want []vectorLine
	if err := json.Unmarshal(v.Lines, &want); err != nil {
		t.Fatal(err)
	}
	if len(p.lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(p.lines), len(want))
	}
	logs := 0
	for i := range want {
		compareLine(t, &p.lines[i], &want[i])
		if p.lines[i].isLog() {
			logs++
		}
	}
	if p.logs != logs {
		t.Errorf("%d log lines counted, want %d", p.logs, logs)
	}
}

func compareLine(t *testing.T, got *line, want *vectorLine) {
	t.Helper()
	if want.Control == "" {
		kind, body := lineText, want.Text
		if want.Binary != nil {
			kind, body = lineBinary, want.Binary
		}
		if got.kind != kind || got.more != want.More || !bytes.Equal(got.body, body) {
			t.Errorf("line %+v, want %+v", got, want)
		}
		return
	}
	name := want.Control[1:]
	if want.Ignored {
		name = ""
	}
	if got.kind != lineControl || got.more || got.name != name || got.must != (want.Control[0] == '!') {
		t.Errorf("control %+v, want %+v", got, want)
	}
	if got.isLog() != (want.Control == "!close") {
		t.Errorf("%s counted wrong", want.Control)
	}
	if want.Ignored || want.JSON == nil {
		return
	}
	var is, should any
	if err := errors.Join(json.Unmarshal(got.body, &is), json.Unmarshal(want.JSON, &should)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(is, should) {
		t.Errorf("JSON %s, want %s", got.body, want.JSON)
	}
}

// encode writes a parsed batch again, its controls by way of their structs; ignored ones are left out.
func encode(t testing.TB, p *packet) []byte {
	t.Helper()
	b := appendHead(nil, p.first, p.ack)
	for _, l := range p.lines {
		switch {
		case l.kind == lineText:
			b = appendText(b, l.body, l.more)
		case l.kind == lineBinary:
			b = appendBinary(b, l.body, l.more)
		case l.name != "":
			v := newControl(l.name)
			if l.name == nameClose {
				v = new(closeControl)
			}
			if err := decodeControl(l, v); err != nil {
				t.Fatalf("decodeControl after parse: %v", err)
			}
			b = appendControl(b, l.must, l.name, v)
		}
	}
	return b
}
