package middlebox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"kil", "kill:fast", "kill@nowhere", "kill#0", "kill#x", "delay:1", "mute:1", "strip", "half-open:sideways",
		"half-open:up/x",
		"cut:0/up/1", "cut:1/left/1", "cut:1/up", "buffer:-2", "limit-body:1GiB", "refuse:x",
	} {
		if _, err := Parse(text); !errors.Is(err, ErrMode) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestEveryModeIsKnown checks that each mode parses with its default, and that each failure mode of
// a network or a middlebox has a mode.
func TestEveryModeIsKnown(t *testing.T) {
	made := map[string]bool{}
	for _, d := range List() {
		text := d.Name
		if d.Default == "" && d.Takes != "" {
			text += ":" + map[string]string{takesWords: "X-A=1", takesCut: "1/up/0"}[d.Takes]
		}
		if _, err := Parse(text); err != nil {
			t.Error(err)
		}
		for _, f := range strings.Fields(d.Fault) {
			made[f] = true
		}
	}
	for i := 1; i <= 25; i++ {
		// F07 needs HTTP/2, which this box does not speak.
		if f := fmt.Sprintf("F%02d", i); !made[f] && f != "F07" {
			t.Errorf("no mode makes %s", f)
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	b, err := New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		if url, err := b.Listen(address); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %s %v", address, url, err)
		}
	}
}

// realBox starts a server and a box on real sockets.
func realBox(t *testing.T, modes string) (url, target string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(srv.Close)
	b, err := New(srv.URL, MustParse(modes)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	url, err = b.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return url, srv.URL
}

// TestResetAndEnd checks that kill resets, and that end closes in order.
func TestResetAndEnd(t *testing.T) {
	for mode, want := range map[string]error{
		"kill:3": syscall.ECONNRESET, "end:3": nil, "kill:50ms": syscall.ECONNRESET,
	} {
		url, _ := realBox(t, mode)
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "POST /hang HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n123456")
		_, err = io.Copy(io.Discard, c)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", mode, err)
		}
		_ = c.Close()
	}
}

// TestSweep cuts an exchange at every byte. The procedure asks until it gets an answer, on new
// connections.
func TestSweep(t *testing.T) {
	_, target := realBox(t, "")
	var cuts []string
	var reported atomic.Int64
	n, err := Sweep(target, 1, 0, func(b *Box) error {
		b.Cut = func(string) { reported.Add(1) }
		url, err := b.Listen("127.0.0.1:0")
		if err != nil {
			return err
		}
		for range 2 {
			res, err := askOnce(url)
			if err == nil && res == "123" {
				return nil
			}
			cuts = append(cuts, fmt.Sprint(err))
		}
		return errors.New("not answered")
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 150 || len(cuts) < n/2 || reported.Load() < int64(n/2) {
		t.Errorf("%d runs, %d were disturbed, and %d cuts reported", n, len(cuts), reported.Load())
	}
	if i := slices.Index(cuts, "<nil>"); i >= 0 {
		t.Errorf("a cut answer looked whole: the %d-th", i)
	}
}

func TestSweepTellsTheCut(t *testing.T) {
	_, target := realBox(t, "")
	_, err := Sweep(target, 50, 7, func(b *Box) error {
		url, err := b.Listen("127.0.0.1:0")
		if err != nil {
			return err
		}
		_, err = askOnce(url)
		return err
	})
	if err == nil || !strings.HasPrefix(err.Error(), "cut:1/up/7: ") {
		t.Error(err)
	}
}

func askOnce(url string) (string, error) {
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr}).Post(url+"/", "text/plain", strings.NewReader("123"))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// TestCloseWhileDialing checks that a connection to the server which opens while the box closes
// ends with it, and that Close returns.
func TestCloseWhileDialing(t *testing.T) {
	for _, modes := range []string{"tcp", ""} {
		b, err := New("http://server.test", MustParse(modes)...)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe() // the server reads and never answers
		defer ours.Close()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		client := make(chan net.Conn)
		b.Dial = func(context.Context) (net.Conn, error) {
			c := <-client
			b.end()
			_, _ = io.Copy(io.Discard, c) // until what is open has ended
			return theirs, nil
		}
		url, err := b.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: server.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		client <- c
		closed := make(chan struct{})
		go func() {
			b.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
			t.Errorf("modes %q: the connection to the server is open, and the box never ends", modes)
		}
	}
}
