package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMiddlebox(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	defer srv.Close()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"middlebox", "--mode", "refuse#1:503", "--target", srv.URL}, nil, in, io.Discard)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("%q %v", line, err)
	}
	for _, want := range []int{503, 200} {
		res, err := http.Get(url)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%v %v", res, err)
		}
		_ = res.Body.Close()
	}
	stop()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
	for _, wrong := range [][]string{
		{"--mode", "nonsense", "--target", srv.URL}, {"--target", "x"}, {"--target", srv.URL, "--listen", "0.0.0.0:0"},
	} {
		if c := run(t.Context(), append([]string{"middlebox"}, wrong...), nil, io.Discard, io.Discard); c != 2 {
			t.Errorf("%v: exit code %d", wrong, c)
		}
	}
}
