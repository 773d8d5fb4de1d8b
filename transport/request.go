package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport/internal/bytepool"
)

// DefaultMaxBatch is the largest batch accepted by default, in bytes (docs/protocol.md "Timers and
// bounds").
const DefaultMaxBatch = 64 << 10

// ReadOptions bound the reading of one HTTP body (HF1-HTTP-07). The zero value takes every default.
type ReadOptions struct {
	// MaxBatch is the size of the largest batch, in bytes, without preamble and end line. Default:
	// [DefaultMaxBatch].
	MaxBatch int
	// Timeout is the longest time for the whole body. Default: 10 s.
	Timeout time.Duration
	// MinRate is the minimum mean rate in bytes per second, checked after Grace has passed.
	// Default: 500; negative: none.
	MinRate int
	// Grace is the time before MinRate counts. Default: 3 s.
	Grace time.Duration
}

func (o ReadOptions) withDefaults() ReadOptions {
	if o.MaxBatch <= 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MinRate == 0 {
		o.MinRate = 500
	}
	if o.Grace <= 0 {
		o.Grace = 3 * time.Second
	}
	return o
}

// Request is the body of a POST. For an EventSource with a ticket there is no body, and Batch has
// no parts. It belongs to one goroutine; the Accept of a transport takes it over.
type Request struct {
	Kind  Kind
	Nonce string
	Batch Batch // one part, valid until Release

	buf *bytepool.Buffer
}

// Release frees the batch's bytes. Calls after the first do nothing, and without a call the garbage
// collector frees them.
func (r *Request) Release() {
	r.Batch = Batch{}
	r.buf.Release()
	r.buf = nil
}

// Preamble is the line that the reply repeats.
func (r *Request) Preamble() Preamble { return Preamble{Kind: r.Kind, Nonce: r.Nonce} }

// ReadRequest reads the whole body of a POST, within the limits of o. It sets the connection's read
// deadline for that time, and clears it when the body has been read; where w does not support
// deadlines only the size is limited.
//
// The errors are [ErrTooLarge], [ErrSlow], [ErrMedia], [ErrTruncated] and [ErrGarbled];
// [HTTPStatus] has the answer to each. Nothing is written to w.
func ReadRequest(w http.ResponseWriter, r *http.Request, o ReadOptions) (*Request, error) {
	o = o.withDefaults()
	body := pacedReader{r: r.Body, rc: http.NewResponseController(w), o: o, start: time.Now()}
	defer body.finish()
	if err := checkMedia(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > int64(o.MaxBatch+bodyOverhead) {
		return nil, ErrTooLarge // before anything is read or allocated
	}
	buf := bytepool.Get(0)
	p, lines, err := readBody(&body, buf, o.MaxBatch)
	if err != nil {
		buf.Release()
		return nil, err
	}
	return &Request{Kind: p.Kind, Nonce: p.Nonce, Batch: Batch{Parts: [][]byte{lines}}, buf: buf}, nil
}

// checkMedia refuses a content coding before the body is read, because a compressed body may be far
// larger than it looks. It also refuses a content type that is not text: such a request belongs to
// another protocol.
func checkMedia(h http.Header) error {
	for _, v := range h.Values("Content-Encoding") {
		if v != "" && !strings.EqualFold(v, "identity") {
			return fmt.Errorf("%w: content coding %.20q", ErrMedia, v)
		}
	}
	if v := h.Get("Content-Type"); v != "" {
		if t, _, _ := strings.Cut(v, ";"); !strings.EqualFold(strings.TrimSpace(t), "text/plain") {
			return fmt.Errorf("%w: content type %.40q", ErrMedia, v)
		}
	}
	return nil
}

// pacedReader keeps the connection's read deadline at the time at which the mean rate falls below
// the minimum if nothing more comes.
type pacedReader struct {
	r     io.Reader
	rc    *http.ResponseController
	o     ReadOptions
	start time.Time
	n     int64
	whole bool // the end has been read
}

func (p *pacedReader) Read(b []byte) (int, error) {
	limit := p.o.Timeout
	if p.o.MinRate > 0 {
		earned := time.Duration(p.n) * time.Second / time.Duration(p.o.MinRate)
		limit = min(limit, max(p.o.Grace, earned))
	}
	if time.Since(p.start) >= limit {
		return 0, ErrSlow
	}
	_ = p.rc.SetReadDeadline(p.start.Add(limit)) // not supported: the size limit remains
	n, err := p.r.Read(b)
	p.n += int64(n)
	p.whole = p.whole || err == io.EOF
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrSlow
	}
	return n, err
}

// finish clears the deadline, because a poll may now be held for long. If the end was not read, it
// leaves a deadline: net/http reads the rest of a short body before it sends the refusal, and would
// wait for it for ever.
func (p *pacedReader) finish() {
	var limit time.Time
	if !p.whole {
		limit = time.Now().Add(p.o.Grace)
	}
	_ = p.rc.SetReadDeadline(limit)
}
