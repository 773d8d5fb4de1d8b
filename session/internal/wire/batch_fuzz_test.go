package wire

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
	files, _ := filepath.Glob("../../testdata/vectors/*.json")
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

// FuzzParse: no batch makes the parser panic or take much more memory than the batch has. A batch
// that is accepted stays the same when it is written and read again.
func FuzzParse(f *testing.F) {
	addVectors(f, func(wire []byte, binary bool) { f.Add(wire, binary) })
	f.Fuzz(func(t *testing.T, wire []byte, binary bool) {
		const limit = 1 << 16
		var p Packet
		before := bytes.Clone(wire)
		err := p.Parse(transport.Batch{Binary: binary, Parts: [][]byte{wire}}, limit)
		if !bytes.Equal(wire, before) {
			t.Fatal("parse wrote to the batch")
		}
		if cap(p.Lines) > len(wire)/2+8 || cap(p.scratch) > 2*len(wire) {
			t.Fatalf("%d lines, %d bytes of scratch for a batch of %d bytes", cap(p.Lines), cap(p.scratch), len(wire))
		}
		if err != nil {
			if p.Logs != 0 || len(p.Lines) != 0 || p.First != 0 || p.Ack != 0 {
				t.Fatalf("the packet keeps a part of a batch with an error: %+v", p)
			}
			return
		}
		again := encode(t, &p)
		var q Packet
		if err := q.Parse(one(again), 4*limit); err != nil {
			if grown(again) {
				return
			}
			t.Fatalf("%q became %q: %v", wire, again, err)
		}
		if q.First != p.First || q.Ack != p.Ack || q.Logs != p.Logs {
			t.Fatalf("%+v became %+v", p, q)
		}
		same(t, p.Lines, q.Lines)
		if once := encode(t, &q); !bytes.Equal(once, again) {
			t.Fatalf("written as %q, then as %q", again, once)
		}
	})
}

// same compares the log lines of two packets.
func same(t *testing.T, a, b []Line) {
	t.Helper()
	logs := func(all []Line) (l []Line) {
		for _, x := range all {
			if x.IsLog() {
				l = append(l, x)
			}
		}
		return l
	}
	a, b = logs(a), logs(b)
	for i := range a {
		sameBody := a[i].Kind == ControlLine || bytes.Equal(a[i].Body, b[i].Body)
		if a[i].Kind != b[i].Kind || a[i].More != b[i].More || !sameBody {
			t.Fatalf("line %+v became %+v", a[i], b[i])
		}
	}
}

// grown reports whether writing a control made it too long: U+2028 has three bytes and is written
// with six.
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
			t.Fatalf("%q was escaped, and unescaped to %q", in, out)
		}
		if bytes.ContainsAny(in, "\r\n") {
			return
		}
		// A text has one escaped form only.
		if out, ok := appendUnescaped(nil, in); ok && !bytes.Equal(appendEscaped(nil, out), in) {
			t.Fatalf("%q was unescaped to %q, whose escaped form is another", in, out)
		}
	})
}

// FuzzControl: the scanner and encoding/json agree on what is JSON.
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
		scanErr := scanObject(body, c.fields, nil)
		if scanErr == nil && !valid {
			t.Fatalf("%q is not JSON, and was accepted", body)
		}
		if scanErr == errJSON && valid {
			t.Fatalf("%q is JSON, and was refused as none", body)
		}
		v := newControl(c.name)
		if c.name == nameClose {
			v = new(Close)
		}
		err := DecodeControl(Line{Kind: ControlLine, Must: c.must, Name: c.name, Body: body}, v)
		if (err == nil) != (scanErr == nil) {
			t.Fatalf("%q: scanObject returned %v, DecodeControl %v", body, scanErr, err)
		}
	})
}

// FuzzSplit: the lines of any message are short enough, and together they are the message.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(""), false, uint16(1))
	f.Add([]byte("a\\\u00e9\n\u20ac\r\U0001f600"), false, uint16(300))
	f.Add([]byte("\n"), false, uint16(768))
	f.Add([]byte("abc"), true, uint16(384))
	f.Fuzz(func(t *testing.T, unit []byte, binary bool, times uint16) {
		message := bytes.Repeat(unit, int(times)%2048)
		if len(message) > 1<<20 || !binary && !IsText(message) {
			return
		}
		split, write := SplitText, AppendText
		if binary {
			split, write = SplitBinary, AppendBinary
		}
		var whole, wire []byte
		open, lines := true, 0
		for piece, more := range split(message) {
			wire = write(wire[:0], piece, more)
			if !open || len(wire) > MaxLine || !binary && !utf8.Valid(piece) || len(piece) == 0 && len(message) > 0 {
				t.Fatalf("line %d has %d bytes, is empty, is not UTF-8, or comes after the last one", lines, len(wire))
			}
			whole, open = append(whole, piece...), more
			lines++
		}
		// A line holds 764 bytes or more: a byte of text takes two when it is escaped.
		if open || !bytes.Equal(whole, message) || lines > 1+len(message)/764 {
			t.Fatalf("%d bytes became %d lines, which are too many, not the message, or not complete: %v",
				len(message), lines, open)
		}
	})
}
