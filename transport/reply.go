package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/holdfast-rt/holdfast/transport/internal/bytepool"
)

// End is the end line of a body and of an event.
const End = ".\n"

// WriteReply answers a POST with one batch: always 200, whatever the outcome in the protocol
// (HF1-HTTP-03), with the request's preamble. The parts are written one by one. A binary batch is
// refused with [ErrBinary] before anything is written. It does not flush, and sets no deadline.
func WriteReply(w http.ResponseWriter, p Preamble, b Batch) error {
	if b.Binary {
		return ErrBinary
	}
	var room [maxPreamble]byte
	first := p.AppendTo(room[:0])
	h := w.Header()
	SetHeaders(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(first)+b.Len()+len(End)))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(first); err != nil {
		return err
	}
	for _, part := range b.Parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, End)
	return err
}

// ReadReply reads the answer to the request that had the preamble p, to its end, and returns it in
// the form of a Request, whose batch is valid until it is released. A maxBatch of 0 is
// [DefaultMaxBatch].
//
// The errors are [ErrTooLarge], [ErrTruncated] and [ErrGarbled], the last also for another kind or
// nonce (HF1-HTTP-01).
func ReadReply(r io.Reader, p Preamble, maxBatch int) (*Request, error) {
	if maxBatch <= 0 {
		maxBatch = DefaultMaxBatch
	}
	buf := bytepool.Get(0)
	got, lines, err := readBody(r, buf, maxBatch)
	if err == nil && got != p {
		err = fmt.Errorf("%w: the answer to another request", ErrGarbled)
	}
	if err != nil {
		buf.Release()
		return nil, err
	}
	return &Request{Kind: p.Kind, Nonce: p.Nonce, Batch: Batch{Parts: [][]byte{lines}}, buf: buf}, nil
}

// readBody fills buf from r and splits it. Any error of r that is not one of this package's is a
// truncation.
func readBody(r io.Reader, buf *bytepool.Buffer, maxBatch int) (Preamble, []byte, error) {
	full, err := buf.Fill(r, maxBatch+bodyOverhead+1)
	switch {
	case errors.Is(err, ErrSlow):
		return Preamble{}, nil, err
	case err != nil:
		return Preamble{}, nil, fmt.Errorf("%w: %w", ErrTruncated, err)
	case full:
		return Preamble{}, nil, ErrTooLarge
	}
	p, lines, err := DecodeBody(buf.B)
	if err == nil && len(lines) > maxBatch {
		err = ErrTooLarge
	}
	return p, lines, err
}
