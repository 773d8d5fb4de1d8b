package session

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/transport"
)

// addVectors makes every short batch and frame of the vectors a seed.
func addVectors(f *testing.F, add func(wire []byte, binary bool)) {
	f.Helper()
	files, _ := filepath.Glob("testdata/vectors/*.json")
	for _, name := range files {
		var file struct{ Vectors []*vector }
		raw, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(raw, &file)
		}
		if err != nil {
			f.Fatal(err)
		}
		for _, v := range file.Vectors {
			if n := len(v.Wire); n > 0 && n < 1024 {
				add(v.Wire, false)
			}
			if n := len(v.Frame); n > 0 && n < 1024 {
				add(v.Frame, true)
			}
		}
	}
}

// FuzzParse: no batch brings the parser down or makes it take memory out of proportion; what is accepted is written and
// read again as the same.
func FuzzParse(f *testing.F) {
	addVectors(f, func(wire []byte, binary bool) { f.Add(wire, binary) })
	f.Fuzz(func(t *testing.T, wire []byte, binary bool) {
		const limit = 1 << 16
		var p packet
		before := bytes.Clone(wire)
		err := p.parse(transport.Batch{Binary: binary, Parts: [][]byte{wire}}, limit)
		if !bytes.Equal(wire, before) {
			t.Fatal("parse wrote to the batch")
		}
		if cap(p.lines) > len(wire)/2+8 || cap(p.scratch) > 2*len(wire) {
			t.Fatalf("%d lines, %d bytes of scratch for %d", cap(p.lines), cap(p.scratch), len(wire))
		}
		if err != nil {
			if p.logs != 0 || len(p.lines) != 0 || p.first != 0 || p.ack != 0 {
				t.Fatalf("kept of a broken batch: %+v", p)
			}
			return
		}
		again := encode(t, &p)
		var q packet
		if err := q.parse(one(again), 4*limit); err != nil {
			if grown(again) {
				return
			}
			t.Fatalf("%q became %q: %v", wire, again, err)
		}
		if q.first != p.first || q.ack != p.ack || q.logs != p.logs {
			t.Fatalf("%+v became %+v", p, q)
		}
		same(t, p.lines, q.lines)
		if once := encode(t, &q); !bytes.Equal(once, again) {
			t.Fatalf("%q, then %q", again, once)
		}
	})
}

// same compares the log lines of two packets.
func same(t *testing.T, a, b []line) {
	t.Helper()
	logs := func(all []line) (l []line) {
		for _, x := range all {
			if x.isLog() {
				l = append(l, x)
			}
		}
		return l
	}
	a, b = logs(a), logs(b)
	for i := range a {
		if a[i].kind != b[i].kind || a[i].more != b[i].more || a[i].kind != lineControl && !bytes.Equal(a[i].body, b[i].body) {
			t.Fatalf("line %+v became %+v", a[i], b[i])
		}
	}
}

// grown tells whether writing a control made it too long: U+2028 is three bytes and is written as six.
func grown(batch []byte) bool {
	for l := range bytes.Lines(batch) {
		if l[0] == '!' && len(l) > maxControl {
			return true
		}
	}
	return false
}

// FuzzText: escaping and unescaping undo each other, both ways.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\\", "\n", "\r\n", "a\\nb", "\\\\\\", "\ufeff\u2028\x00\U0001f600"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		escaped := appendEscaped(nil, in)
		if bytes.ContainsAny(escaped, "\r\n") {
			t.Fatalf("%q holds a line break", escaped)
		}
		if out, ok := appendUnescaped(nil, escaped); !ok || !bytes.Equal(out, in) {
			t.Fatalf("%q became %q", in, out)
		}
		if bytes.ContainsAny(in, "\r\n") {
			return
		}
		// There is one way to write a text.
		if out, ok := appendUnescaped(nil, in); ok && !bytes.Equal(appendEscaped(nil, out), in) {
			t.Fatalf("%q was read as %q", in, out)
		}
	})
}

// FuzzControl: what the scanner takes is JSON to encoding/json, and what it calls no JSON is none.
func FuzzControl(f *testing.F) {
	addVectors(f, func(wire []byte, binary bool) {
		if _, line, ok := bytes.Cut(wire, newline); ok && !binary {
			if _, body, ok := bytes.Cut(bytes.TrimSuffix(line, newline), space); ok {
				f.Add(body, uint8(0))
				f.Add(body, uint8(len(body)))
			}
		}
	})
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		if !utf8.Valid(body) || bytes.ContainsAny(body, "\r\n") {
			return
		}
		c := controls[int(which)%len(controls)]
		valid := len(body) > 0 && body[0] == '{' && body[len(body)-1] == '}' && json.Valid(body)
		broken := scanObject(body, c.fields, nil)
		if broken == nil && !valid {
			t.Fatalf("%q was taken for JSON", body)
		}
		if broken == errJSON && valid {
			t.Fatalf("%q was not taken for JSON", body)
		}
		v := newControl(c.name)
		if c.name == nameClose {
			v = new(closeControl)
		}
		if err := decodeControl(line{kind: lineControl, must: c.must, name: c.name, body: body}, v); (err == nil) != (broken == nil) {
			t.Fatalf("%q: %v and %v", body, broken, err)
		}
	})
}

// FuzzSplit: the lines of any message are short enough, and make it again.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(""), false, uint16(1))
	f.Add([]byte("a\\\u00e9\n\u20ac\r\U0001f600"), false, uint16(300))
	f.Add([]byte("\n"), false, uint16(768))
	f.Add([]byte("abc"), true, uint16(384))
	f.Fuzz(func(t *testing.T, unit []byte, binary bool, times uint16) {
		message := bytes.Repeat(unit, int(times)%2048)
		if len(message) > 1<<20 || !binary && !isText(message) {
			return
		}
		split, write := splitText, appendText
		if binary {
			split, write = splitBinary, appendBinary
		}
		var whole, wire []byte
		open, lines := true, 0
		for piece, more := range split(message) {
			wire = write(wire[:0], piece, more)
			if !open || len(wire) > maxLine || !binary && !utf8.Valid(piece) || len(piece) == 0 && len(message) > 0 {
				t.Fatalf("line %d of %d bytes", lines, len(wire))
			}
			whole, open = append(whole, piece...), more
			lines++
		}
		// A line carries 764 bytes at the least: one byte of text may take two.
		if open || !bytes.Equal(whole, message) || lines > 1+len(message)/764 {
			t.Fatalf("%d lines for %d bytes, the last open: %v", lines, len(message), open)
		}
	})
}
