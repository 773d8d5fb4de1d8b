package wire

import (
	"bufio"
	"io"
	"strings"
)

// Stream reads an event stream in the form of docs/protocol.md section 9, strictly.
type Stream struct {
	r *bufio.Reader
	// Comment counts the bytes of comments read so far.
	Comment int
	events  int
	// Kind and Nonce come from the preamble, once the first event was read.
	Kind, Nonce string
}

// NewStream reads from r.
func NewStream(r io.Reader) *Stream { return &Stream{r: bufio.NewReaderSize(r, 4096)} }

// Next reads one event. Its error is the reader's, or an *Error. An event without its end is left
// out (HF1-SSE-04).
func (s *Stream) Next() (*Batch, error) {
	var data []string
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = line[:len(line)-1]
		switch {
		case strings.HasPrefix(line, ":"):
			s.Comment += len(line) + 1
		case line == "" && len(data) > 0:
			return s.event(data)
		case line == "":
		case strings.HasPrefix(line, "data:"):
			data = append(data, line[len("data:"):])
		default:
			return nil, parseError("HF1-SSE-01", "a line of the stream that is no data field and no comment: %.60q",
				line)
		}
	}
}

func (s *Stream) event(data []string) (*Batch, error) {
	s.events++
	if s.events == 1 {
		var err error
		if s.Kind, s.Nonce, err = ParsePreamble(data[0]); err != nil {
			return nil, err
		}
		data = data[1:]
	}
	if len(data) == 0 || data[len(data)-1] != "." {
		return nil, parseError("HF1-HTTP-02", "an event without its end line")
	}
	return Parse([]byte(strings.Join(data[:len(data)-1], "\n") + "\n"))
}
