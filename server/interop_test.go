package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
)

// Programs and libraries that read event streams and know nothing about Holdfast. Each reads url to
// its end, or until event returns false, and does not reconnect.
var readers = map[string]func(t *testing.T, url string, event func(data string) bool){
	"r3labs": func(t *testing.T, url string, event func(string) bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := r3labs.NewClient(url, r3labs.ClientMaxBufferSize(1<<20))
		c.ReconnectStrategy = never{}
		c.Connection = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		stopped := false
		_ = c.SubscribeRawWithContext(ctx, func(e *r3labs.Event) {
			if !stopped && !event(string(e.Data)) {
				stopped = true
				cancel()
			}
		})
	},
	"tmaxmax": func(t *testing.T, url string, event func(string) bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := tmaxmax.Client{
			Backoff:    tmaxmax.Backoff{MaxRetries: -1},
			HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		}
		conn := c.NewConnection(r)
		conn.Buffer(nil, 1<<20)
		conn.SubscribeToAll(func(e tmaxmax.Event) {
			if !event(e.Data) {
				cancel()
			}
		})
		_ = conn.Connect()
	},
	"curl": func(t *testing.T, url string, event func(string) bool) {
		need(t, "curl")
		pipe(t, exec.CommandContext(t.Context(), "curl", "-sN", url), func(out *bufio.Reader) {
			var data []string
			for {
				line, err := out.ReadString('\n')
				if err != nil {
					return
				}
				line = strings.TrimSuffix(line, "\n")
				if value, ok := strings.CutPrefix(line, "data:"); ok {
					data = append(data, value)
				} else if line == "" && data != nil {
					if !event(strings.Join(data, "\n")) {
						return
					}
					data = nil
				}
			}
		})
	},
	"eventsource": func(t *testing.T, url string, event func(string) bool) {
		dir, err := filepath.Abs("../clientjs")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "node_modules", "eventsource")); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("eventsource is not on this machine: npm ci in clientjs brings it")
		}
		const script = `import { EventSource } from 'eventsource'
			const es = new EventSource(process.argv[1])
			es.onmessage = (e) => process.stdout.write(JSON.stringify(e.data) + '\n')
			es.onerror = () => es.close()`
		cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script, url)
		cmd.Dir = dir
		pipe(t, cmd, func(out *bufio.Reader) {
			for {
				line, err := out.ReadString('\n')
				if err != nil {
					return
				}
				var data string
				if err := json.Unmarshal([]byte(line), &data); err != nil {
					t.Errorf("%q: %v", line, err)
				}
				if !event(data) {
					return
				}
			}
		})
	},
}

// never is a reconnect strategy.
type never struct{}

func (never) NextBackOff() time.Duration { return -1 }
func (never) Reset()                     {}

// need skips a test if its tool is missing on this machine, see .ci/deps.
func need(t *testing.T, tool string) {
	t.Helper()
	if os.Getenv("CI") != "true" && slices.Contains(strings.Split(os.Getenv("HOLDFAST_SKIP"), ","), tool) {
		t.Skip(tool + " is not on this machine")
	}
}

// pipe runs a program and ends it when read has read enough.
func pipe(t *testing.T, cmd *exec.Cmd, read func(*bufio.Reader)) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read(bufio.NewReaderSize(out, 1<<20))
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
}

// lineReader collects the messages of a stream, from the text of its events.
type lineReader struct {
	t        *testing.T
	recv     uint64
	piece    []byte
	messages []session.Message
	opened   bool
}

// event reads the data of one event. An event without its end line is the rest of a stream that was
// cut (HF1-SSE-04).
func (r *lineReader) event(data string) {
	r.t.Helper()
	lines := strings.Split(data, "\n")
	if len(lines) > 0 && strings.HasPrefix(lines[0], "holdfast/1 stream -") {
		lines = lines[1:]
	}
	if len(lines) < 2 || lines[len(lines)-1] != "." {
		return
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "@"), " ")
	n, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		r.t.Errorf("head %q", lines[0])
		return
	}
	for _, line := range lines[1 : len(lines)-1] {
		switch line[0] {
		case '!', '?':
			r.opened = r.opened || strings.HasPrefix(line, "!opened ")
		default:
			if n != r.recv+1 {
				r.t.Errorf("line %d after %d", n, r.recv)
			}
			r.recv, n = n, n+1
			r.line(line)
		}
	}
}

var unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")

func (r *lineReader) line(line string) {
	line, more := strings.CutPrefix(line, "+")
	if line[0] == 'b' {
		b, err := base64.StdEncoding.DecodeString(line[1:])
		if err != nil {
			r.t.Error(err)
		}
		r.piece = append(r.piece, b...)
	} else {
		r.piece = append(r.piece, unescape.Replace(line[1:])...)
	}
	if !more {
		r.messages = append(r.messages, session.Message{Data: r.piece, Binary: line[0] == 'b'})
		r.piece = nil
	}
}

// tricky is what events must carry: all kinds of text, and binary larger than a batch.
func tricky() (list []session.Message) {
	for i := range 60 {
		list = append(list,
			session.Text(fmt.Sprintf("%d: \x00 \ufeff \u2028 \u0085 \r \r\n \n\n data: \\n "+
				"{\"json\":\"\\u0000\"} Ελληνικά עברית 日本語 👩‍👩‍👧", i)),
			session.Text("\ufeff"), session.Text(""), session.Text(" "), session.Text(":"), session.Text("."),
			session.Text("\n"),
			sample(i))
	}
	return list
}

// TestIndependentReaders: other readers get exactly the bytes that were sent from our event stream,
// opened by a ticket, also when it was cut in the middle and continued with another ticket.
func TestIndependentReaders(t *testing.T) {
	for name, read := range readers {
		for _, cut := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/cut=%v", name, cut), func(t *testing.T) {
				peers := make(chan *session.Session, 1)
				s, err := server.New(server.Config{
					Logger: slog.New(slog.DiscardHandler), Timers: server.Timers{CloseGrace: 10 * time.Millisecond},
					OnSession: func(x *session.Session) { peers <- x },
				})
				if err != nil {
					t.Fatal(err)
				}
				web := httptest.NewUnstartedServer(s)
				short := &shortListener{Listener: web.Listener}
				web.Listener = short
				web.Start()
				defer web.Close()
				defer web.CloseClientConnections()
				defer func() { _ = s.Shutdown(t.Context()) }()

				run := ask(t, web.URL, "open", openLine(1)).field("run")
				peer, want := <-peers, tricky()
				for _, m := range want {
					if _, err := peer.TrySend(m); err != nil {
						t.Fatal(err)
					}
				}
				got, streams := &lineReader{t: t}, 0
				for ; len(got.messages) < len(want) && streams < 3; streams++ {
					up := fmt.Sprintf("!up {\"key\":%q,\"run\":%q,\"att\":1}\n"+
						"!ticket {\"att\":%d,\"u\":%d,\"recv\":%d}", keyA, run, 5+streams, 5+streams, got.recv)
					ticket := ask(t, web.URL, "up", up).field("ticket")
					if cut && streams == 0 {
						short.left.Store(100_003) // somewhere within an event
					}
					read(t, web.URL+"/?ticket="+ticket, func(data string) bool {
						got.event(data)
						return len(got.messages) < len(want)
					})
				}
				if cut != (streams == 2) || !got.opened {
					t.Errorf("%d streams", streams)
				}
				if len(got.messages) != len(want) {
					t.Fatalf("%d messages of %d", len(got.messages), len(want))
				}
				for i, m := range got.messages {
					if !bytes.Equal(m.Data, want[i].Data) || m.Binary != want[i].Binary {
						t.Fatalf("message %d is %.80q, want %.80q", i, m.Data, want[i].Data)
					}
				}
			})
		}
	}
}

// shortListener cuts its connections once, after this many bytes.
type shortListener struct {
	net.Listener
	left atomic.Int64 // 0: no more cuts
}

type shortConn struct {
	net.Conn
	l *shortListener
}

func (l *shortListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &shortConn{c, l}, err
}

func (c *shortConn) Write(p []byte) (int, error) {
	left := c.l.left.Load()
	if left == 0 || int64(len(p)) < left {
		if left > 0 {
			c.l.left.Add(-int64(len(p)))
		}
		return c.Conn.Write(p)
	}
	c.l.left.Store(0)
	_, _ = c.Conn.Write(p[:left])
	return 0, c.Close()
}

// ask posts one batch over a real network.
func ask(t *testing.T, url, kind, lines string) answer {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := web.Post(url, "text/plain", strings.NewReader("holdfast/1 "+kind+" "+nonce+"\n@1 0\n"+lines+"\n.\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := answer{r.StatusCode, r.Header, body(t, r)}
	if a.status != 200 || strings.Contains(a.body, "!refused") {
		t.Fatal(a)
	}
	return a
}
