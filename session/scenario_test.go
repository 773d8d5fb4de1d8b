package session

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

var rewrite = flag.Bool("rewrite", false, "write the outputs of the scenarios again")

// TestScenarios runs the scripts in testdata/scenarios. README.md there describes their form.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	for _, f := range files {
		if filepath.Base(f) == "pending.txt" { // the list of scripts that the TypeScript runner skips
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := runScenario(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if got == string(text) {
				return
			}
			if *rewrite {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Error(firstDifference(string(text), got))
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			excerpt := func(lines []string) string {
				return strings.Join(lines[min(i, len(lines)):min(i+4, len(lines))], "\n      ")
			}
			return fmt.Sprintf("line %d\n got: %s\nwant: %s", i+1, excerpt(g), excerpt(w))
		}
	}
	return ""
}

// scenario is a run of a script. It writes the script again, with the outputs that the machine
// gives.
type scenario struct {
	out    strings.Builder
	vars   []string
	cfg    clientmachine.Config
	m      *clientmachine.Machine
	now    time.Duration
	packet wire.Packet
	batch  logs.Batch
}

func runScenario(text string) (string, error) {
	s := &scenario{cfg: clientmachine.Config{
		Key: testKey, Transports: []string{transport.WebSocket, transport.SSE, transport.LongPoll},
		MaxBatch: 65536, MaxMessage: 1 << 20, Window: 2 << 20,
		Random: func() float64 { return 0.5 },
	}}
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSuffix(lines[i], "\n")
		if strings.HasPrefix(line, "  ") || lines[i] == "" {
			continue
		}
		s.out.WriteString(lines[i])
		var err error
		switch name, rest, _ := strings.Cut(line, " "); {
		case line == "" || line[0] == '#' || line[0] == '<':
		case name == "let":
			k, v, _ := strings.Cut(rest, " ")
			s.vars = append(s.vars, "$"+k, v)
		case name == "config":
			err = s.config(rest)
		default:
			var batch strings.Builder
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "< ") {
				i++
				s.out.WriteString(lines[i])
				batch.WriteString(lines[i][2:])
			}
			vars := strings.NewReplacer(s.vars...)
			err = s.input(name, vars.Replace(rest), vars.Replace(batch.String()))
		}
		if err != nil {
			return "", fmt.Errorf("line %d, %q: %w", i+1, line, err)
		}
	}
	return s.out.String(), nil
}

func (s *scenario) config(rest string) error {
	for _, f := range strings.Fields(rest) {
		k, v, _ := strings.Cut(f, "=")
		n, err := strconv.Atoi(v)
		switch k {
		case "transports":
			s.cfg.Transports, err = strings.Split(v, ","), nil
		case "maxBatch":
			s.cfg.MaxBatch = n
		case "maxMessage":
			s.cfg.MaxMessage = n
		case "win":
			s.cfg.Window = int64(n)
		case "auth":
			s.cfg.Auth, err = json.RawMessage(v), nil
		case "meta":
			s.cfg.Meta, err = json.RawMessage(v), nil
		case "memory":
			s.cfg.Memory, s.cfg.Remembers, err = []byte(v), true, nil
		default:
			return errors.New("no such setting")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *scenario) time() time.Time { return simStart.Add(s.now) }

// advance lets the deadlines up to t pass.
func (s *scenario) advance(t time.Duration) {
	for range 10_000 {
		if s.m.Deadline().IsZero() {
			break
		}
		at := s.m.Deadline().Sub(simStart)
		if at <= s.now {
			at = s.now + time.Millisecond
		}
		if at > t {
			break
		}
		s.now = at
		s.m.Tick(s.time())
		before := s.out.Len()
		s.act()
		if s.out.Len() > before {
			done := s.out.String()
			s.out.Reset()
			fmt.Fprintf(&s.out, "%s  at %s\n%s", done[:before], millisText(s.now), done[before:])
		}
	}
	s.now = max(s.now, t)
}

func millisText(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Round(time.Microsecond))/float64(time.Millisecond), 'f', -1, 64)
}

func (s *scenario) input(at, rest, batch string) error {
	ms, err := strconv.ParseFloat(at, 64)
	if err != nil {
		return err
	}
	t := time.Duration(ms * float64(time.Millisecond))
	verb, rest, _ := strings.Cut(rest, " ")
	if s.m == nil {
		s.m = clientmachine.New(s.cfg)
	}
	if verb != "asleep" {
		s.advance(t)
	}
	s.now = t
	if err := s.do(verb, rest, batch); err != nil {
		return err
	}
	s.act()
	return nil
}

// scenarioFault is why a conn failed; "status 429" is an HTTP answer with that status.
type scenarioFault string

func (f scenarioFault) Error() string { return string(f) }

func (f scenarioFault) Unwrap() error {
	number, ok := strings.CutPrefix(string(f), "status ")
	if !ok {
		return nil
	}
	status, _ := strconv.Atoi(number)
	return &transport.StatusError{Status: status}
}

func (s *scenario) do(verb, rest, batch string) error {
	word, more, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(word)
	switch verb {
	case "start":
		s.m.Start(s.time())
	case "send":
		kind, data, err := payload(word, more)
		if err != nil {
			return err
		}
		s.printf("sent %d", s.m.Send(logs.Encode(kind, data), s.time()))
	case "batch":
		s.m.Receive(n, simBatch(false, []byte(batch)), &s.packet, s.time())
	case "binary":
		quoted, body, _ := strings.Cut(more, `" `)
		head, err := strconv.Unquote(quoted + `"`)
		if err != nil {
			return err
		}
		data, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return err
		}
		s.m.Receive(n, simBatch(true, append([]byte(head+"\n"), data...)), &s.packet, s.time())
	case "closed":
		s.m.Closed(n, nil, s.time())
	case "failed":
		s.m.Closed(n, scenarioFault(more), s.time())
	case "auth":
		s.m.Authorized(json.RawMessage(rest), s.time())
	case "take":
		s.take()
	case "close":
		reason := ""
		if err := json.Unmarshal([]byte(more), &reason); err != nil {
			return err
		}
		s.m.Close(transport.Code(n), reason, s.time())
	case "asleep":
		s.m.Tick(s.time())
	case "wake":
		s.m.Wake(s.time())
	case "online", "offline":
		s.m.SetOnline(verb == "online", s.time())
	case "end":
	default:
		return errors.New("no such input")
	}
	return nil
}

// payload reads `text "…" *3` or `binary AAEC *3`.
func payload(kind, rest string) (wire.Kind, []byte, error) {
	times := 1
	if i := strings.LastIndex(rest, " *"); i >= 0 {
		if n, err := strconv.Atoi(rest[i+2:]); err == nil {
			rest, times = rest[:i], n
		}
	}
	if kind == "binary" {
		b, err := base64.StdEncoding.DecodeString(rest)
		return wire.BinaryLine, bytes.Repeat(b, times), err
	}
	var text string
	err := json.Unmarshal([]byte(rest), &text)
	return wire.TextLine, bytes.Repeat([]byte(text), times), err
}

func (s *scenario) take() {
	for r, ok := s.m.Pop(); ok; r, ok = s.m.Pop() {
		switch {
		case r.Close != nil:
			s.printf("take close %d %s", r.Close.Code, jsonText(r.Close.Reason))
		case r.Binary:
			s.printf("take %d binary %s", r.Number, short(base64.StdEncoding.EncodeToString(r.Data)))
		default:
			s.printf("take %d text %s", r.Number, short(jsonText(string(r.Data))))
		}
		s.m.Taken(r, s.time())
	}
}

// jsonText quotes as JSON.stringify does.
func jsonText(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text)
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))
}

// short cuts a text that is too long to read.
func short(text string) string {
	if len(text) <= 200 {
		return text
	}
	cut := 60
	for text[cut]&0xc0 == 0x80 {
		cut--
	}
	return fmt.Sprintf("%s…(%d bytes)", text[:cut], len(text))
}

func (s *scenario) printf(format string, args ...any) {
	s.out.WriteString("  " + fmt.Sprintf(format, args...) + "\n")
}

// act does what the machine asks, and writes it to the script.
func (s *scenario) act() {
	if n := s.m.Snapshot().Requests; n > 2 { // must not happen, also not in a rotation or a retry (HF1-POL-04)
		s.printf("%d requests on an attachment", n)
	}
	for _, e := range slices.Clone(s.m.Effects()) {
		switch e.Kind {
		case clientmachine.Dial:
			s.printf("dial %d %s %s", e.Conn, e.ConnKind, e.Transport)
			s.next(e.Conn)
		case clientmachine.Write:
			for s.next(e.Conn) {
				continue
			}
		case clientmachine.HangUp:
			s.printf("hangup %d %d", e.Conn, e.Code)
		case clientmachine.AskAuth:
			s.printf("auth")
		case clientmachine.Traced:
			t := traceOf(e.Trace)
			s.printf("; %s", strings.TrimSpace(fmt.Sprintf("%s %s/%d %s", t.Kind, t.Transport, t.Att, t.Reason)))
		case clientmachine.Over:
			s.over()
		case clientmachine.Remember:
			s.printf("remember %s", e.Memory)
		}
	}
}

func (s *scenario) over() {
	side, exact := "local", "unknown"
	e := (&Session{core: s.m}).endOf()
	if e.Remote {
		side = "remote"
	}
	if e.Exact {
		exact = "exact"
	}
	s.printf("over %d %s %s delivered=%d of=%d %s", e.Code, jsonText(e.Reason), side, e.Delivered, e.Sent, exact)
}

// next writes one batch of a conn to the script.
func (s *scenario) next(conn int) bool {
	if !s.m.Next(conn, &s.batch, s.time()) {
		return false
	}
	data := simBytes(&s.batch)
	if s.batch.Batch().Binary {
		head, body, _ := bytes.Cut(data, []byte{10})
		s.printf("%d> binary %s %s", conn, jsonText(string(head)), short(base64.StdEncoding.EncodeToString(body)))
		return true
	}
	for line := range bytes.Lines(data) {
		s.printf("%d> %s", conn, short(strings.TrimSuffix(string(line), "\n")))
	}
	return true
}
