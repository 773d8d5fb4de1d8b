// Package client tests a client from outside. It runs an adapter: a program that drives the client
// under test, and speaks JSON lines on its standard input and output (docs/conformance.md, "The
// adapter protocol").
package client

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// Command is a line to the adapter.
type Command struct {
	Session    int             `json:"session"`
	Do         string          `json:"do"` // connect, send, take, drained, close
	URL        string          `json:"url,omitempty"`
	Transports []string        `json:"transports,omitempty"`
	Auth       json.RawMessage `json:"auth,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"`
	MaxBatch   int             `json:"maxBatch,omitempty"`
	Hold       bool            `json:"hold,omitempty"` // the application takes nothing before "take"
	Text       *string         `json:"text,omitempty"`
	Base64     *string         `json:"base64,omitempty"`
	Malformed  bool            `json:"malformed,omitempty"` // send text that is not well-formed Unicode
	Code       int             `json:"code,omitempty"`
	Reason     string          `json:"reason,omitempty"`
}

// Event is a line from the adapter.
type Event struct {
	Session int     `json:"session"`
	Event   string  `json:"event"` // ready, open, message, sent, refused, drained, closed, trace
	Number  uint64  `json:"number"`
	Text    *string `json:"text"`
	Base64  *string `json:"base64"`
	Error   string  `json:"error"`
	// Of closed: the server's application has taken the messages up to Delivered; if Exact, no
	// others.
	Code      int    `json:"code"`
	Reason    string `json:"reason"`
	Remote    bool   `json:"remote"`
	Delivered uint64 `json:"delivered"`
	Exact     bool   `json:"exact"`
	// Of trace: for people, and which attachment the client says it uses.
	What       string `json:"what"`
	Transport  string `json:"transport"`
	Attachment uint64 `json:"attachment"`
	// Of ready.
	Client     string   `json:"client"`
	Transports []string `json:"transports"`
}

// Process is a running adapter. Its methods may be called at the same time.
type Process struct {
	Client     string   // the client that the adapter drives
	Transports []string // the ones it has

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	gone   chan struct{}
	write  sync.Mutex
	mu     sync.Mutex
	last   int
	open   map[int]*Session
	output strings.Builder // what it wrote on both outputs, to search it for secrets; bounded
	err    error
}

// maxOutput bounds how much of an adapter's output is kept.
const maxOutput = 8 << 20

// startTime bounds how long an adapter may take to start; a browser needs some time.
const startTime = 30 * time.Second

// Start runs an adapter and waits until it is ready. The adapter ends with ctx, or by Stop.
func Start(ctx context.Context, command, env []string, stderr io.Writer) (*Process, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, stdin: stdin, gone: make(chan struct{}), open: map[int]*Session{}}
	cmd.Stderr = &echo{p, stderr}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan Event, 1)
	go p.read(stdout, ready)
	select {
	case e := <-ready:
		p.Client, p.Transports = e.Client, e.Transports
		return p, nil
	case <-p.gone:
		return nil, fmt.Errorf("the adapter ended before it was ready: %w", p.err)
	case <-time.After(startTime):
		p.Stop()
		return nil, errors.New("the adapter was not ready in time")
	}
}

// echo keeps what the adapter writes on standard error, and passes it on.
type echo struct {
	p  *Process
	to io.Writer
}

func (e *echo) Write(b []byte) (int, error) {
	e.p.keep(string(b))
	return e.to.Write(b)
}

func (p *Process) keep(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.output.Len() < maxOutput {
		p.output.WriteString(s)
	}
}

// Output is what the adapter has written so far, on both outputs.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

func (p *Process) read(stdout io.Reader, ready chan<- Event) {
	in := bufio.NewScanner(stdout)
	in.Buffer(nil, 32<<20)
	for in.Scan() {
		var e Event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			p.keep(in.Text() + "\n")
			continue // a client may print; a case searches what it prints for secrets
		}
		if e.Event == "trace" {
			p.keep(in.Text() + "\n")
		}
		if e.Event == "ready" {
			ready <- e
			continue
		}
		p.mu.Lock()
		s := p.open[e.Session]
		p.mu.Unlock()
		if s != nil {
			s.add(e)
		}
	}
	p.err = p.cmd.Wait()
	close(p.gone)
}

// Stop ends the adapter.
func (p *Process) Stop() {
	_ = p.stdin.Close()
	select {
	case <-p.gone:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
}

func (p *Process) command(c Command) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	p.write.Lock()
	defer p.write.Unlock()
	_, err = p.stdin.Write(append(line, '\n'))
	return err
}

// Session is one session of the client under test.
type Session struct {
	p  *Process
	id int

	mu      sync.Mutex
	changed chan struct{}
	log     func(format string, args ...any)

	Events []Event // read it in WaitFor

	// Record, if it is set, is called with what the client's application does, as events of a
	// trace.
	Record    func(trace.Event)
	unsent    []string // digests of the messages whose number is not known yet
	numbers   []uint64 // of the messages that were sent
	forgotten bool
}

// Connect starts a session. Record may be nil.
func (p *Process) Connect(c Command, log func(format string, args ...any), record func(trace.Event)) (*Session, error) {
	p.mu.Lock()
	p.last++
	s := &Session{p: p, id: p.last, changed: make(chan struct{}), log: log, Record: record}
	p.open[s.id] = s
	p.mu.Unlock()
	c.Do = "connect"
	return s, s.Do(c)
}

// Do sends a command for the session.
func (s *Session) Do(c Command) error {
	if c.Do == "send" {
		s.mu.Lock()
		s.unsent = append(s.unsent, digest(c.Text, c.Base64))
		s.mu.Unlock()
	}
	c.Session = s.id
	return s.p.command(c)
}

// Forget closes the session and drops its events. It first gives the client a moment to close, so
// that nothing of this case goes on during the next. The second call does nothing.
func (s *Session) Forget() {
	if s.forgotten {
		return
	}
	s.forgotten = true
	_ = s.Do(Command{Do: "close"})
	s.WaitFor(context.Background(), 500*time.Millisecond, func(all []Event) bool {
		return slices.ContainsFunc(all, func(e Event) bool { return e.Event == "closed" })
	})
	s.p.mu.Lock()
	delete(s.p.open, s.id)
	s.p.mu.Unlock()
}

func (s *Session) add(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Events = append(s.Events, e)
	close(s.changed)
	s.changed = make(chan struct{})
	s.record(e)
	switch {
	case e.Event == "trace":
		s.log("client: %s %s/%d %s", e.What, e.Transport, e.Attachment, e.Reason)
	case e.Event == "message" && e.Text != nil:
		s.log("client: message %d %.60q", e.Number, *e.Text)
	default:
		s.log("client: %s %d %d %s", e.Event, e.Number, e.Code, e.Error)
	}
}

// record writes the events that belong into a trace.
func (s *Session) record(e Event) {
	if s.Record == nil {
		return
	}
	switch {
	case e.Event == "sent" && len(s.unsent) > 0:
		s.Record(trace.Event{Side: "client", What: "enqueue", Number: e.Number, Digest: s.unsent[0]})
		s.unsent, s.numbers = s.unsent[1:], append(s.numbers, e.Number)
	case e.Event == "refused" && len(s.unsent) > 0:
		s.unsent = s.unsent[1:]
	case e.Event == "message":
		s.Record(trace.Event{Side: "client", What: "deliver", Number: e.Number, Digest: digest(e.Text, e.Base64)})
	case e.Event == "drained" && len(s.unsent) == 0: // the client says that all was taken: it keeps nothing
		s.Record(trace.Event{Side: "client", What: "free", Number: s.numbered(math.MaxUint64)})
	case e.Event == "closed":
		s.Record(trace.Event{Side: "client", What: "free", Number: s.numbered(e.Delivered)})
		s.Record(trace.Event{Side: "client", What: "end", Cause: "closed"})
	}
}

// numbered is the number of the last message up to a line. A !close has a line too, and is no
// message.
func (s *Session) numbered(line uint64) (last uint64) {
	for _, n := range s.numbers {
		if n <= line {
			last = n
		}
	}
	return last
}

// digest is the digest of a message of the adapter protocol.
func digest(text, binary *string) string {
	switch {
	case text != nil:
		return trace.Digest(*text, false)
	case binary != nil:
		raw, _ := base64.StdEncoding.DecodeString(*binary)
		return trace.Digest(string(raw), true)
	}
	return ""
}

// WaitFor calls f with the events so far until it is true, for at most d.
func (s *Session) WaitFor(ctx context.Context, d time.Duration, f func([]Event) bool) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		s.mu.Lock()
		ok, changed := f(s.Events), s.changed
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-over.C:
			return false
		case <-ctx.Done():
			return false
		case <-s.p.gone:
			return false
		}
	}
}
