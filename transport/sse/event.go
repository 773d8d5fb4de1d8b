package sse

import (
	"bytes"
	"io"

	"github.com/holdfast-rt/holdfast/transport"
)

const field = "data:"

// writeEvent writes one event: the preamble, if this is the first, each line of b, and the end
// line, each in a field of its own.
func writeEvent(w io.Writer, preamble []byte, b transport.Batch) error {
	e := eventWriter{w: w, fresh: true}
	e.lines(preamble)
	for _, part := range b.Parts {
		e.lines(part)
	}
	if !e.fresh {
		e.write("\n") // a last line without LF is an error of the batch, but must not hide the end line
	}
	e.write(field + transport.End + "\n")
	return e.err
}

// eventWriter puts the field's name in front of each line. A line may span parts.
type eventWriter struct {
	w     io.Writer
	fresh bool // a line starts here
	err   error
}

func (e *eventWriter) lines(p []byte) {
	for len(p) > 0 && e.err == nil {
		if e.fresh {
			e.write(field)
		}
		line := p
		i := bytes.IndexByte(p, '\n')
		if i >= 0 {
			line = p[:i+1]
		}
		e.fresh = i >= 0
		if e.err == nil {
			_, e.err = e.w.Write(line)
		}
		p = p[len(line):]
	}
}

func (e *eventWriter) write(s string) {
	if e.err == nil {
		_, e.err = io.WriteString(e.w, s)
	}
}
