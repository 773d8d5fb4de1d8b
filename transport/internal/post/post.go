// Package post sends one holdfast body as an HTTP POST.
package post

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/holdfast-rt/holdfast/transport"
)

// Endpoint is where POSTs go. Its fields must not change after the first use. Many goroutines may
// use it.
type Endpoint struct {
	Client *http.Client
	URL    string
	Header http.Header
}

// Response is an answer with status 200 whose header has been read. Cancel ends it, and the reading
// of its body too.
type Response struct {
	*http.Response
	Cancel context.CancelFunc
}

// Do sends the body made of p and b and waits for the answer's header, at most until ctx ends.
// After it has returned, ctx has no effect. It keeps no part of b. The errors are those of ctx,
// [*transport.StatusError] for any status but 200 (HF1-HTTP-04), [transport.ErrBinary],
// [transport.ErrGarbled] for an answer with a content coding, or those of the client.
func (e Endpoint) Do(ctx context.Context, p transport.Preamble, b transport.Batch, accept string) (*Response, error) {
	if b.Binary {
		return nil, transport.ErrBinary
	}
	parts := append(append([][]byte{p.AppendTo(nil)}, b.Parts...), []byte(transport.End))
	body := &body{parts: parts, size: int64(transport.Batch{Parts: parts}.Len())}
	defer body.release()

	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	resp, err := e.send(live, body, accept)
	if !stop() {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		cancel()
		if resp != nil {
			_ = resp.Body.Close()
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("post: %w", context.Cause(ctx))
		}
		return nil, err
	}
	return &Response{Response: resp, Cancel: cancel}, nil
}

func (e Endpoint) send(ctx context.Context, body *body, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, body.reader())
	if err != nil {
		return nil, fmt.Errorf("post: %w", err)
	}
	req.ContentLength = body.size
	// net/http sends a POST again only when an idle connection turned out to be closed before the
	// first byte of an answer. That is safe here: every request may be repeated (HF1-WHO-04,
	// HF1-POL-01, HF1-NUM-02).
	req.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil }
	for k, v := range e.Header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity") // compression would delay a stream and hide its size
	resp, err := e.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("post: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // read a short page, so that its connection can be used again
		return resp, &transport.StatusError{Status: resp.StatusCode}
	}
	if c := resp.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return resp, fmt.Errorf("%w: content coding %.20q", transport.ErrGarbled, c)
	}
	return resp, nil
}

// body is the request's parts. net/http may go on reading a body after it has returned the answer,
// and the parts belong to the caller again by then. So release takes them away from every reader.
type body struct {
	mu    sync.Mutex
	parts [][]byte // nil after release
	size  int64
}

func (b *body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts = nil
}

func (b *body) reader() io.ReadCloser { return &reader{body: b, left: b.size} }

type reader struct {
	body   *body
	part   int
	offset int
	left   int64
}

func (r *reader) Read(p []byte) (int, error) {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	// Check for the end first. The answer may have come, and the parts be released, before net/http
	// checks for more of the body. An error here would close the connection, and lose the answer.
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.body.parts == nil {
		return 0, transport.ErrClosed
	}
	for r.part < len(r.body.parts) {
		if rest := r.body.parts[r.part][r.offset:]; len(rest) > 0 {
			n := copy(p, rest)
			r.offset += n
			r.left -= int64(n)
			return n, nil
		}
		r.part, r.offset = r.part+1, 0
	}
	return 0, io.EOF
}

func (r *reader) Close() error { return nil }
