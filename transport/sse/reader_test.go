package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-rt/holdfast/transport"
)

const nonce = "abcdefghijklmnop"

const first = "data:holdfast/1 stream " + nonce + "\ndata:@1 0\ndata:.\n\n"

var want = transport.Preamble{Kind: transport.KindStream, Nonce: nonce}

// readAll reads a stream to its end.
func readAll(r io.Reader, maxBatch int) (batches []string, err error) {
	in := newReader(r, want, maxBatch)
	for {
		lines, err := in.next()
		if err != nil {
			return batches, err
		}
		batches = append(batches, string(lines))
	}
}

func TestReader(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		batches  []string
		err      error
	}{
		{"one", first, []string{"@1 0\n"}, io.EOF},
		{"two", prelude + first + "data:@1 0\ndata:ta\ndata:.\n\n", []string{"@1 0\n", "@1 0\nta\n"}, io.EOF},
		{"CRLF", strings.ReplaceAll(prelude+first, "\n", "\r\n"), []string{"@1 0\n"}, io.EOF},
		{"BOM before the comment", "\uFEFF" + prelude + first, []string{"@1 0\n"}, io.EOF},
		{"BOM before the first event", "\uFEFF" + first, []string{"@1 0\n"}, io.EOF},
		{"one space after the colon", strings.ReplaceAll(first, ":", ": "), []string{"@1 0\n"}, io.EOF},
		{"extra blank lines", "\n\n\n" + first + "\n\n\n", []string{"@1 0\n"}, io.EOF},
		{
			"comments and other fields", ":a\nid:1\nevent:x\nretry:5\nwhat\n\n:b\n" + first + ":c\n\n",
			[]string{"@1 0\n"},
			io.EOF,
		},
		{
			"empty line of the batch", first + "data:@1 0\ndata:\ndata:t\ndata:.\n\n",
			[]string{"@1 0\n", "@1 0\n\nt\n"},
			io.EOF,
		},
		{"dot-led line", first + "data:@1 0\ndata:.x\ndata:.\n\n", []string{"@1 0\n", "@1 0\n.x\n"}, io.EOF},

		{
			"event without end line is passed over", first + "data:@9 9\n\n" + "data:@1 0\ndata:tb\ndata:.\n\n",
			[]string{"@1 0\n", "@1 0\ntb\n"},
			io.EOF,
		},
		{
			"first event without end line", "data:holdfast/1 stream " + nonce + "\ndata:@1 0\n\ndata:@1 0\ndata:.\n\n",
			nil, transport.ErrGarbled,
		},
		{"tail without blank line", first + "data:@1 0\ndata:tb\ndata:.\n", []string{"@1 0\n"}, transport.ErrTruncated},
		{"tail without LF", first + "data:@1 0\ndata:tb\ndata:.", []string{"@1 0\n"}, transport.ErrTruncated},
		{"half a field's name", first + "da", []string{"@1 0\n"}, transport.ErrTruncated},
		{"tail that ends as the mark", first + "data:.\xff", []string{"@1 0\n"}, transport.ErrTruncated},
		{
			"something behind the end line", first + "data:@1 0\ndata:.\ndata:t\n\n",
			[]string{"@1 0\n"},
			transport.ErrGarbled,
		},
		{"not UTF-8", first + "data:@1 0\ndata:t\xff\ndata:.\n\n", []string{"@1 0\n"}, transport.ErrGarbled},
		{
			"an event that ends as the mark", first + "data:@1 0\ndata:.\xff\n\n",
			[]string{"@1 0\n"},
			transport.ErrTruncated,
		},
		// the grammar must refuse this
		{"preamble twice", first + first, []string{"@1 0\n", "holdfast/1 stream " + nonce + "\n@1 0\n"}, io.EOF},
		{"another nonce", strings.Replace(first, nonce, "ponmlkjihgfedcba", 1), nil, transport.ErrGarbled},
		{"another kind", strings.Replace(first, "stream", "poll", 1), nil, transport.ErrGarbled},
		{"no preamble", "data:@1 0\ndata:.\n\n", nil, transport.ErrGarbled},
		{"nothing", "", nil, transport.ErrTruncated},
		{"only the comment", prelude, nil, transport.ErrTruncated},
		{"a page", "<html>\n\n<body>\n", nil, transport.ErrTruncated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"whole": strings.NewReader(tc.in),
				"bytes": iotest.OneByteReader(strings.NewReader(tc.in)),
				"eof":   iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				batches, err := readAll(r, 1000)
				if !errors.Is(err, tc.err) || strings.Join(batches, "|") != strings.Join(tc.batches, "|") {
					t.Errorf("%s: %q, %v, want %q, %v", how, batches, err, tc.batches, tc.err)
				}
			}
		})
	}
}

// An error of the connection is never the regular end, and bytes after the last event are dropped.
func TestReaderBrokenConnection(t *testing.T) {
	broken := errors.New("broken")
	for n := range len(first) + 1 {
		in := io.MultiReader(strings.NewReader(first+first[:n]), iotest.ErrReader(broken))
		batches, err := readAll(in, 1000)
		if len(batches) != 1 && n < len(first) || !errors.Is(err, broken) || !errors.Is(err, transport.ErrTruncated) {
			t.Errorf("after %d bytes: %q, %v", n, batches, err)
		}
	}
}

func TestReaderLimit(t *testing.T) {
	at := first + "data:" + strings.Repeat("x", 99) + "\ndata:.\n\n"
	if got, err := readAll(strings.NewReader(at), 100); len(got) != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("at the limit: %d batches, %v", len(got), err)
	}
	over := first + "data:" + strings.Repeat("x", 100) + "\ndata:.\n\n"
	if got, err := readAll(strings.NewReader(over), 100); len(got) != 1 || !errors.Is(err, transport.ErrTooLarge) {
		t.Errorf("above the limit by one: %d batches, %v", len(got), err)
	}
	lines := first + strings.Repeat("data:t\n", 50) + "data:.\n\n"
	if got, err := readAll(strings.NewReader(lines), 100); len(got) != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("shortest lines at the limit: %d batches, %v", len(got), err)
	}
	endless := io.MultiReader(strings.NewReader(first+"data:"), endless{})
	if got, err := readAll(endless, 100); len(got) != 1 || !errors.Is(err, transport.ErrTooLarge) {
		t.Errorf("endless event: %d batches, %v", len(got), err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Other readers of event streams must split what writeEvent writes in the same way: LF only, no
// empty data, only data fields.
func TestWriteEvent(t *testing.T) {
	var out bytes.Buffer
	b := transport.Batch{Parts: [][]byte{[]byte("@1"), []byte(" 0\nta"), nil, []byte("b\n")}}
	if err := writeEvent(&out, want.AppendTo(nil), b); err != nil {
		t.Fatal(err)
	}
	if err := writeEvent(&out, nil, b); err != nil {
		t.Fatal(err)
	}
	const event = "data:@1 0\ndata:tab\ndata:.\n\n"
	if got, want := out.String(), "data:holdfast/1 stream "+nonce+"\n"+event+event; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPrelude(t *testing.T) {
	if len(prelude) < 2048 || prelude[0] != ':' || strings.Trim(prelude[1:], " ") != "\n\n" {
		t.Errorf("%d bytes, %q …", len(prelude), prelude[:8])
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(prelude+first), uint8(7))
	f.Add([]byte("\uFEFF:c\r\n\r\n"+strings.ReplaceAll(first, "\n", "\r\n")+"data: @1 0\r\ndata: .\r\n\r\n"), uint8(1))
	f.Add([]byte(first+"data:@1 0\n"), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		const limit = 200
		whole, wholeErr := readAll(bytes.NewReader(in), limit)
		split, splitErr := readAll(&stepped{in, int(step)%16 + 1}, limit)
		if strings.Join(whole, "|") != strings.Join(split, "|") || wholeErr.Error() != splitErr.Error() {
			t.Fatalf("in one piece %q, %v; in pieces %q, %v", whole, wholeErr, split, splitErr)
		}
		for _, b := range whole {
			if len(b) > limit || b != "" && b[len(b)-1] != '\n' {
				t.Fatalf("batch %q", b)
			}
		}
		// A stream cut short gives a prefix of the batches.
		part, _ := readAll(bytes.NewReader(in[:len(in)*int(step)/255]), limit)
		if len(part) > len(whole) || strings.Join(part, "|") != strings.Join(whole[:len(part)], "|") {
			t.Fatalf("cut short: %q of %q", part, whole)
		}
	})
}

// stepped gives n bytes at a time.
type stepped struct {
	rest []byte
	n    int
}

func (s *stepped) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.n)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
