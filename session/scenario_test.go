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
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

var rewrite = flag.Bool("rewrite", false, "write the outputs of the scenarios anew")

// TestScenarios runs the scripts in testdata/scenarios, whose form is described there.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, f := range files {
		if filepath.Base(f) == "pending.txt" { // what the TypeScript runner leaves out
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
			return fmt.Sprintf("line %d\n got: %s\nwant: %s", i+1, strings.Join(g[min(i, len(g)):min(i+4, len(g))], "\n      "), strings.Join(w[min(i, len(w)):min(i+4, len(w))], "\n      "))
		}
	}
	return ""
}

// scenario is a run of a script: it writes the script again with the outputs that it sees.
type scenario struct {
	out    strings.Builder
	vars   []string
	cfg    clientConfig
	m      *clientMachine
	now    time.Duration
	packet packet
	batch  outBatch
}

func runScenario(text string) (string, error) {
	s := &scenario{cfg: clientConfig{
		key: testKey, transports: []string{transport.WebSocket, transport.SSE, transport.LongPoll}, maxBatch: 65536, maxMessage: 1 << 20, win: 2 << 20,
		random: func() float64 { return 0.5 },
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
			err = s.input(name, strings.NewReplacer(s.vars...).Replace(rest), strings.NewReplacer(s.vars...).Replace(batch.String()))
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
			s.cfg.transports, err = strings.Split(v, ","), nil
		case "maxBatch":
			s.cfg.maxBatch = n
		case "maxMessage":
			s.cfg.maxMessage = n
		case "win":
			s.cfg.win = int64(n)
		case "auth":
			s.cfg.auth, err = json.RawMessage(v), nil
		case "meta":
			s.cfg.meta, err = json.RawMessage(v), nil
		case "memory":
			s.cfg.memory, s.cfg.remembers, err = []byte(v), true, nil
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
		if s.m.deadline.IsZero() {
			break
		}
		at := max(s.m.deadline.Sub(simStart), s.now+time.Millisecond)
		if s.m.deadline.Sub(simStart) > s.now {
			at = s.m.deadline.Sub(simStart)
		}
		if at > t {
			break
		}
		s.now = at
		s.m.tick(s.time())
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
		s.m = newClientMachine(s.cfg)
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

// scenarioFault is why a carrier failed; "status 429" is an HTTP answer of that status.
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
		s.m.start(s.time())
	case "send":
		kind, data, err := payload(word, more)
		if err != nil {
			return err
		}
		s.printf("sent %d", s.m.send(kind, data, s.time()))
	case "batch":
		s.m.received(n, simBatch(false, []byte(batch)), &s.packet, s.time())
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
		s.m.received(n, simBatch(true, append([]byte(head+"\n"), data...)), &s.packet, s.time())
	case "closed":
		s.m.closed(n, nil, s.time())
	case "failed":
		s.m.closed(n, scenarioFault(more), s.time())
	case "auth":
		s.m.authorized(json.RawMessage(rest), s.time())
	case "take":
		s.take()
	case "close":
		reason := ""
		if err := json.Unmarshal([]byte(more), &reason); err != nil {
			return err
		}
		s.m.end(transport.Code(n), reason, s.time())
	case "asleep":
		s.m.tick(s.time())
	case "wake":
		s.m.wake(s.time())
	case "online", "offline":
		s.m.online(verb == "online", s.time())
	case "end":
	default:
		return errors.New("no such input")
	}
	return nil
}

// payload reads `text "…" *3` or `binary AAEC *3`.
func payload(kind, rest string) (lineKind, []byte, error) {
	times := 1
	if i := strings.LastIndex(rest, " *"); i >= 0 {
		if n, err := strconv.Atoi(rest[i+2:]); err == nil {
			rest, times = rest[:i], n
		}
	}
	if kind == "binary" {
		b, err := base64.StdEncoding.DecodeString(rest)
		return lineBinary, bytes.Repeat(b, times), err
	}
	var text string
	err := json.Unmarshal([]byte(rest), &text)
	return lineText, bytes.Repeat([]byte(text), times), err
}

func (s *scenario) take() {
	for r, ok := s.m.in.pop(); ok; r, ok = s.m.in.pop() {
		switch {
		case r.close != nil:
			s.printf("take close %d %s", r.close.Code, jsonText(r.close.Reason))
		case r.Binary:
			s.printf("take %d binary %s", r.Number, short(base64.StdEncoding.EncodeToString(r.Data)))
		default:
			s.printf("take %d text %s", r.Number, short(jsonText(string(r.Data))))
		}
		s.m.taken(r, s.time())
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

// short cuts what is too long to read.
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

// act does what the machine asks and writes it down.
func (s *scenario) act() {
	for _, p := range s.m.paths {
		if n := requests(s.m, p); n > 2 { // in no scenario, rotation and retries included (HF1-POL-04)
			s.printf("%d requests on %s/%d", n, p.way.name, p.att)
		}
	}
	for _, a := range append([]action(nil), s.m.drain()...) {
		switch a.kind {
		case actDial:
			s.printf("dial %d %s %s", a.conn, a.carrier, a.transport)
			s.next(a.conn)
		case actWrite:
			for s.next(a.conn) {
				continue
			}
		case actHangup:
			s.printf("hangup %d %d", a.conn, a.code)
		case actAuth:
			s.printf("auth")
		case actTrace:
			s.printf("; %s", strings.TrimSpace(fmt.Sprintf("%s %s/%d %s", a.trace.what, a.trace.transport, a.trace.att, a.trace.reason)))
		case actOver:
			s.over()
		case actRemember:
			s.printf("remember %s", a.memory)
		}
	}
}

func (s *scenario) over() {
	side, exact := "local", "unknown"
	if s.m.over.remote {
		side = "remote"
	}
	e := (&Session{m: s.m, client: &dialing{m: s.m}}).endOf()
	if e.Exact {
		exact = "exact"
	}
	s.printf("over %d %s %s delivered=%d of=%d %s", e.Code, jsonText(e.Reason), side, e.Delivered, e.Sent, exact)
}

// next writes down one batch of a carrier.
func (s *scenario) next(conn int) bool {
	if !s.m.next(conn, &s.batch, s.time()) {
		return false
	}
	data := simBytes(&s.batch)
	if s.batch.kind {
		head, body, _ := bytes.Cut(data, newline)
		s.printf("%d> binary %s %s", conn, jsonText(string(head)), short(base64.StdEncoding.EncodeToString(body)))
		return true
	}
	for line := range bytes.Lines(data) {
		s.printf("%d> %s", conn, short(strings.TrimSuffix(string(line), "\n")))
	}
	return true
}
