package wire

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// octets are the bytes in a vector: text, base64, a repetition, or a list of these.
type octets []byte

func (o *octets) UnmarshalJSON(b []byte) error {
	var form struct {
		Base64 []byte
		Repeat octets
		Times  int
	}
	var list []octets
	var text string
	switch {
	case json.Unmarshal(b, &text) == nil:
		*o = octets(text)
	case json.Unmarshal(b, &list) == nil:
		for _, x := range list {
			*o = append(*o, x...)
		}
	default:
		if err := json.Unmarshal(b, &form); err != nil {
			return err
		}
		*o = octets(strings.Repeat(string(form.Repeat), form.Times))
		if form.Repeat == nil {
			*o = form.Base64
		}
	}
	return nil
}

// TestVectors runs the wire vectors that every implementation runs. This codec judges senders, so
// it also refuses what decoders tolerate (BOM, CR, long lines). Valid vectors must therefore parse
// only if they say that they are canonical.
func TestVectors(t *testing.T) {
	names, err := filepath.Glob("../../session/testdata/vectors/*.json")
	if err != nil || len(names) < 8 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	refused, parsed := 0, 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Form    string
			Vectors []struct {
				ID          string
				Wire, Frame octets
				First, Ack  uint64
				Canonical   bool
				Breaks      string
				Limit       int
			}
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(name, err)
		}
		if file.Form != "batch" && file.Form != "frame" {
			continue
		}
		for _, v := range file.Vectors {
			var b *Batch
			if file.Form == "frame" {
				b, err = ParseFrame(v.Frame)
			} else {
				b, err = Parse(v.Wire)
			}
			switch {
			// no sender makes batches and lines of such sizes
			case v.Breaks == "HF1-BAT-05", v.Limit != 0, strings.Contains(v.ID, "long"):
			case v.Breaks != "":
				refused++
				if err == nil {
					t.Errorf("%s, which breaks %s, is taken: %s", v.ID, v.Breaks, b)
				}
			case v.Canonical || file.Form == "frame":
				parsed++
				if err != nil || b.First != v.First || b.Ack != v.Ack {
					t.Errorf("%s: %v, %v", v.ID, b, err)
				}
			}
		}
	}
	if refused < 50 || parsed < 20 {
		t.Errorf("only %d refused and %d parsed", refused, parsed)
	}
}

func TestBody(t *testing.T) {
	const batch = "@1 0\n!reply {\"recv\":0,\"sent\":0,\"sel\":{\"u\":0,\"att\":0}}\nthi\n"
	b, err := ParseBody([]byte(WrapBody("poll", "nonce-nonce-nonce", batch)))
	if err != nil || b.Kind != "poll" || b.Nonce != "nonce-nonce-nonce" || len(b.Batch.Lines) != 2 {
		t.Fatalf("%v, %v", b, err)
	}
	for _, wrong := range []string{
		"", "holdfast/1", WrapBody("poll", "short", batch),
		WrapBody("get", "nonce-nonce-nonce", batch), batch, "holdfast/1 poll nonce-nonce-nonce\n" + batch,
	} {
		if b, err := ParseBody([]byte(wrong)); err == nil {
			t.Errorf("%q: %v", wrong, b)
		}
	}
}

func TestStream(t *testing.T) {
	s := NewStream(strings.NewReader(":" + strings.Repeat(" ", 10) +
		"\n\ndata:holdfast/1 stream nonce-nonce-nonce\ndata:@1 0\ndata:tx\ndata:.\n\ndata:@2 0\ndata:.\n\ndata:@3 0\n"))
	for i := uint64(1); i <= 2; i++ {
		if b, err := s.Next(); err != nil || b.First != i || s.Nonce != "nonce-nonce-nonce" || s.Comment != 12 {
			t.Fatalf("%d: %v, %v, %d", i, b, err, s.Comment)
		}
	}
	if b, err := s.Next(); err == nil {
		t.Errorf("an event that was cut off: %v", b)
	}
	for _, wrong := range []string{
		"id:1\n", "event:x\n", "data:@1 0\ndata:.\n\n",
		"data:holdfast/1 stream nonce-nonce-nonce\ndata:@1 0\n\n", "data:x\r\n\r\n",
	} {
		if b, err := NewStream(strings.NewReader(wrong)).Next(); err == nil {
			t.Errorf("%q: %v", wrong, b)
		}
	}
}

func TestControl(t *testing.T) {
	for _, wrong := range []string{
		`!closed {"code":4100,"reason":"","recv":0}`, `!reply {"recv":0,"sent":0}`, `!pong {"i":"1"}`,
		`!pong {"i":1,"i":1}`, `!unknown {}`,
		`!detach {"code":4001,"gone":false}`, `!close {"code":4000,"reason":""}`, `?beacon {"i":-1}`,
		`!pong {"i":1,"x":[[[[[[[[]]]]]]]]}`,
	} {
		if l, err := ParseLine(wrong); err == nil {
			t.Errorf("%s: %v", wrong, l)
		}
	}
	l, err := ParseLine(`!reply {"recv":3,"sent":4,"sel":{"u":5,"att":6},"new":[1,{"a":"\u0041"}]}`)
	if u, att := l.Selection(); err != nil || u != 5 || att != 6 || l.Number("sent") != 4 {
		t.Errorf("%v, %v", l, err)
	}
	if l, err := ParseLine("b" + base64.StdEncoding.EncodeToString(make([]byte, 2000))); err == nil {
		t.Errorf("a line of 2,000 bytes: %v", l)
	}
}
