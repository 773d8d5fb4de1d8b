package sse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/r3labs/sse/v2"

	"github.com/holdfast-rt/holdfast/transport"
)

// reader reads events from a stream. r3labs/sse splits the stream into blocks. This type handles
// what that package does not: the BOM, which only the codec may remove, and the bytes after the
// last blank line, which r3labs returns as if they were an event (HF1-SSE-04).
type reader struct {
	in       *marked
	blocks   *sse.EventStreamReader
	maxBatch int
	want     transport.Preamble
	started  bool // the first block has been read
	known    bool // the preamble has been read
}

// endMark is added after the last byte of the stream. It shows which block is the rest that no
// blank line ended. It is never part of UTF-8, so any other block that ends with it is garbled
// anyway.
const endMark = '\xff'

func newReader(r io.Reader, p transport.Preamble, maxBatch int) *reader {
	// The shortest line of a batch has two bytes and five more in an event, so the largest batch
	// stays below four times its size.
	limit := 4*maxBatch + 4<<10
	in := &marked{r: r}
	return &reader{in: in, blocks: sse.NewEventStreamReader(in, limit), maxBatch: maxBatch, want: p}
}

// next returns the lines of the next batch, valid until it is called again. It skips comments,
// fields other than data, and events without their end line. [io.EOF] is the end of the stream
// between two events.
func (r *reader) next() ([]byte, error) {
	for {
		block, err := r.blocks.ReadEvent()
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, transport.ErrTooLarge
		}
		if err != nil {
			return nil, r.end(nil)
		}
		if !r.started {
			r.started = true
			block = bytes.TrimPrefix(block, []byte("\uFEFF"))
		}
		if n := len(block); n > 0 && block[n-1] == endMark {
			return nil, r.end(block[:n-1])
		}
		data := fields(block)
		if len(data) == 0 {
			continue
		}
		lines, err := r.decode(data)
		switch {
		case errors.Is(err, transport.ErrTruncated):
			continue // HF1-SSE-04
		case len(lines) > r.maxBatch:
			return nil, transport.ErrTooLarge
		default:
			return lines, err
		}
	}
}

// decode splits the text of one event.
func (r *reader) decode(data []byte) ([]byte, error) {
	if r.known {
		return transport.DecodeLines(data)
	}
	p, lines, err := transport.DecodeBody(data)
	if err == nil && p != r.want {
		return nil, fmt.Errorf("%w: the answer to another request", transport.ErrGarbled)
	}
	r.known = err == nil
	return lines, err
}

// end says how the stream ended; tail is what came after its last event.
func (r *reader) end(tail []byte) error {
	switch err := r.in.err; {
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w", transport.ErrTruncated, err)
	case len(bytes.Trim(tail, "\r\n")) > 0, !r.known:
		return transport.ErrTruncated
	default:
		return io.EOF
	}
}

// fields puts the values of a block's data fields together, in place, each ended by LF. A CR before
// the LF is left to the codec.
func fields(block []byte) []byte {
	data := block[:0]
	for rest := block; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if value, ok := bytes.CutPrefix(line, []byte(field)); ok {
			// Our server sends no space here. But a proxy may have rewritten the stream, and a
			// first space is not part of the value.
			value, _ = bytes.CutPrefix(value, []byte{' '})
			data = append(append(data, value...), '\n')
		}
	}
	return data
}

// marked reads r and adds endMark after its last byte, also after an error.
type marked struct {
	r   io.Reader
	err error // what ended r
	end bool  // endMark has been returned
}

func (m *marked) Read(p []byte) (int, error) {
	if m.err == nil {
		var n int
		if n, m.err = m.r.Read(p); n > 0 || m.err == nil {
			return n, nil
		}
	}
	if !m.end && len(p) > 0 {
		m.end = true
		p[0] = endMark
		return 1, nil
	}
	return 0, m.err
}
