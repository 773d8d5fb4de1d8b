package transport_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

// answer serves one request on its own connection. send writes the client's bytes; the result is
// the status.
func answer(t *testing.T, o transport.ReadOptions, send func(net.Conn)) (status int, took time.Duration, err error) {
	t.Helper()
	done := make(chan error, 1)
	s := transporttest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		req, err := transport.ReadRequest(w, r, o)
		took = time.Since(start)
		done <- err
		if err != nil {
			w.WriteHeader(transport.HTTPStatus(err))
			return
		}
		// The deadline is cleared: this handler may wait as long as a poll.
		select {
		case <-time.After(time.Hour):
		case <-r.Context().Done():
			t.Error("the request ended while it was held")
		}
		if err := transport.WriteReply(w, req.Preamble(), req.Batch); err != nil {
			t.Errorf("reply: %v", err)
		}
		req.Release()
	}))
	defer func() {
		s.Close()
		time.Sleep(time.Second) // net/http waits half of that after a body it has not read
	}()
	conn, dialErr := s.Dial(t.Context(), "", "")
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	go send(conn)
	resp, readErr := http.ReadResponse(bufio.NewReader(conn), nil)
	if readErr != nil {
		t.Fatalf("no answer: %v", readErr)
	}
	defer func() { _ = resp.Body.Close() }()
	err = <-done // took is set by now
	return resp.StatusCode, took, err
}

func TestReadRequest(t *testing.T) {
	post := func(header, body string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\n%s\r\n%s", header, body)
		}
	}
	sized := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	good := head + "@1 0\nthello\n.\n"
	// trickle sends the body's first bytes at once, then n bytes each second.
	trickle := func(at, n int) func(net.Conn) {
		return func(c net.Conn) {
			body := head + "t" + strings.Repeat("x", 9000) + "\n.\n"
			post(sized(len(body)), body[:at])(c)
			for rest := body[at:]; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, rest[:min(n, len(rest))]); err != nil {
					return
				}
			}
		}
	}
	for _, tc := range []struct {
		name   string
		send   func(net.Conn)
		err    error
		status int
		took   time.Duration // 0: any
	}{
		{name: "good", send: post(sized(len(good)), good), status: 200},
		{name: "chunked", send: post("Transfer-Encoding: chunked\r\n",
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good)), status: 200},
		{name: "identity", send: post("Content-Encoding: identity\r\n"+sized(len(good)), good), status: 200},
		{
			name: "plain text", send: post("Content-Type: text/plain;charset=UTF-8\r\n"+sized(len(good)), good),
			status: 200,
		},
		{
			name: "gzip is refused unread", send: post("Content-Encoding: gzip\r\n"+sized(1<<30), ""),
			err: transport.ErrMedia, status: 415,
		},
		{
			name: "two codings", send: post("Content-Encoding: identity\r\nContent-Encoding: br\r\n"+sized(9), ""),
			err: transport.ErrMedia, status: 415,
		},
		{
			name: "JSON, and a body that never comes", send: post("Content-Type: application/json\r\n"+sized(9), ""),
			err: transport.ErrMedia, status: 415,
		},
		{
			name: "a length above the limit is refused unread", send: post(sized(1<<40), ""),
			err: transport.ErrTooLarge, status: 413,
		},
		{
			name: "chunks above the limit", err: transport.ErrTooLarge, status: 413,
			send: post("Transfer-Encoding: chunked\r\n",
				fmt.Sprintf("%x\r\n%s\r\n", 80_000, strings.Repeat("x", 80_000))),
		},
		{name: "no body", send: post(sized(0), ""), err: transport.ErrTruncated, status: 400},
		{name: "a page", send: post(sized(6), "<html>"), err: transport.ErrGarbled, status: 400},
		{
			name: "broken chunk", send: post("Transfer-Encoding: chunked\r\n", "5\r\nholdfast"),
			err: transport.ErrTruncated, status: 400,
		},
		{name: "silence", send: post(sized(100), ""), err: transport.ErrSlow, status: 408, took: 3 * time.Second},
		{
			name: "silence after a bit", send: trickle(2000, 0), err: transport.ErrSlow, status: 408,
			took: 4 * time.Second,
		},
		{name: "below the floor", send: trickle(0, 400), err: transport.ErrSlow, status: 408, took: 3 * time.Second},
		{
			name: "above the floor, too long", send: trickle(0, 800), err: transport.ErrSlow, status: 408,
			took: 10 * time.Second,
		},
		{name: "slow enough", send: trickle(0, 1200), status: 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, took, err := answer(t, transport.ReadOptions{}, tc.send)
				if status != tc.status || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
					t.Errorf("status %d, error %v, want %d, %v", status, err, tc.status, tc.err)
				}
				if tc.took > 0 && took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
			})
		})
	}
}

// The connection serves the next request as if nothing had happened.
func TestReadRequestKeepsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := transporttest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req, err := transport.ReadRequest(w, r, transport.ReadOptions{})
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			_ = transport.WriteReply(w, req.Preamble(), req.Batch)
			req.Release()
			req.Release()
		}))
		defer s.Close()
		client := s.Client()
		defer client.CloseIdleConnections()
		const body = head + "@1 0\nthello\n.\n"
		for range 3 {
			resp, err := client.Post(s.URL, "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if string(got) != body || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			for k, v := range map[string]string{
				"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store, no-transform",
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			} {
				if resp.Header.Get(k) != v {
					t.Errorf("%s: %q, want %q", k, resp.Header.Get(k), v)
				}
			}
			time.Sleep(time.Minute)
		}
		if s.Dials() != 1 {
			t.Errorf("%d connections, want 1", s.Dials())
		}
	})
}

func TestWriteReplyRefusesBinary(t *testing.T) {
	err := transport.WriteReply(nil, transport.Preamble{}, transport.Batch{Binary: true})
	if !errors.Is(err, transport.ErrBinary) {
		t.Errorf("%v, want %v", err, transport.ErrBinary)
	}
}

func TestReadReply(t *testing.T) {
	want := transport.Preamble{Kind: transport.KindUp, Nonce: nonce}
	for _, tc := range []struct {
		name, body string
		err        error
	}{
		{"good", head + "@1 0\n.\n", nil},
		{"another nonce", "holdfast/1 up abcdefghijklmnoq\n@1 0\n.\n", transport.ErrGarbled},
		{"another kind", "holdfast/1 poll " + nonce + "\n@1 0\n.\n", transport.ErrGarbled},
		{"cut", head + "@1 0\n", transport.ErrTruncated},
		{"at the limit", head + "t" + strings.Repeat("x", 98) + "\n.\n", nil},
		{"above the limit by one", head + "t" + strings.Repeat("x", 99) + "\n.\n", transport.ErrTooLarge},
		{"endless", head + strings.Repeat("x", 1<<20), transport.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := transport.ReadReply(strings.NewReader(tc.body), want, 100)
			if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err == nil && (r.Preamble() != want || !strings.Contains(tc.body, string(r.Batch.Parts[0]))) {
				t.Fatalf("reply %+v", r)
			}
		})
	}
}
