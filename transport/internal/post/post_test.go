package post_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/internal/post"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ok() *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
}

var (
	preamble = transport.Preamble{Kind: transport.KindUp, Nonce: "abcdefghijklmnop"}
	batch    = transport.Batch{Parts: [][]byte{[]byte("@1 0\n"), []byte("thello\n")}}
)

// A transport may read on after it has answered. The parts belong to the caller again by then.
func TestBodyIsLetGo(t *testing.T) {
	var kept, again io.ReadCloser
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		kept = r.Body
		again, _ = r.GetBody()
		_, err := io.ReadFull(kept, make([]byte, 5))
		return ok(), err
	})}
	resp, err := post.Endpoint{Client: client, URL: "http://h/"}.Do(t.Context(), preamble, batch, "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	resp.Cancel()
	for _, body := range []io.Reader{kept, again} {
		if rest, err := io.ReadAll(body); len(rest) > 0 || !errors.Is(err, transport.ErrClosed) {
			t.Errorf("read after the end: %q, %v", rest, err)
		}
	}
}

// The answer may come before the transport has checked for more of the body. The end of the body is
// not an error then.
func TestBodyEndsAfterItIsLetGo(t *testing.T) {
	var body io.ReadCloser
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		body = r.Body
		_, err := io.ReadFull(body, make([]byte, r.ContentLength))
		return ok(), err
	})}
	resp, err := post.Endpoint{Client: client, URL: "http://h/"}.Do(t.Context(), preamble, batch, "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	resp.Cancel()
	if n, err := body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read after the whole body: %d, %v", n, err)
	}
}

// When an idle connection was closed, net/http sends the request again: the body must be complete
// again.
func TestRequest(t *testing.T) {
	const want = "holdfast/1 up abcdefghijklmnop\n@1 0\nthello\n.\n"
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		first, _ := io.ReadAll(r.Body)
		body, _ := r.GetBody()
		second, _ := io.ReadAll(body)
		if string(first) != want || string(second) != want || r.ContentLength != int64(len(want)) {
			t.Errorf("body %q, then %q, length %d", first, second, r.ContentLength)
		}
		for k, v := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "Accept": "text/plain",
			"Accept-Encoding": "identity", "Cookie": "a=b",
		} {
			if r.Header.Get(k) != v {
				t.Errorf("%s: %q, want %q", k, r.Header.Get(k), v)
			}
		}
		if r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		return ok(), nil
	})}
	header := http.Header{"Cookie": {"a=b"}, "Content-Type": {"application/json"}}
	resp, err := post.Endpoint{Client: client, URL: "http://h/", Header: header}.Do(t.Context(), preamble, batch,
		"text/plain")
	if err != nil {
		t.Fatal(err)
	}
	resp.Cancel()
	if header.Get("Content-Type") != "application/json" {
		t.Error("the caller's header was altered")
	}
}

// The context ends the dialling, also at the last moment, but never the answer.
func TestContext(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	var live context.Context
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		live = r.Context()
		return ok(), nil
	})}
	e := post.Endpoint{Client: client, URL: "http://h/"}
	resp, err := e.Do(ctx, preamble, batch, "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	if live.Err() != nil {
		t.Error("the answer ended with the context of the dialling")
	}
	resp.Cancel()
	if live.Err() == nil {
		t.Error("the answer outlives its end")
	}
	if resp, err := e.Do(ctx, preamble, batch, "text/plain"); resp != nil || !errors.Is(err, cause) {
		t.Errorf("%v, %v, want %v", resp, err, cause)
	}
}
