package cases

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

//go:embed *.yaml
var files embed.FS

// script is a case that is data. It has one of refuse, accept and post; conformance/cases/README.md
// says what they mean.
type script struct {
	ID      string   `yaml:"id"`
	Checks  []string `yaml:"checks"`
	Says    string   `yaml:"says"`
	Only    []string `yaml:"only"`    // transports; default all
	Profile string   `yaml:"profile"` // of post; default poll
	Refuse  []item   `yaml:"refuse"`
	Accept  []item   `yaml:"accept"`
	Post    []post   `yaml:"post"`
}

// item is a batch: lines behind the right head, or the whole batch.
type item struct {
	Lines []string `yaml:"lines"`
	Batch string   `yaml:"batch"`
	Frame string   `yaml:"frame"` // a binary frame
	// Get are the messages that come back, the lines if absent.
	Get []string `yaml:"get"`
	// Reason is the reason of the refusal, malformed if absent.
	Reason string `yaml:"reason"`
	// Status is the HTTP status where no reply can hold the refusal, 200 if absent.
	Status int `yaml:"status"`
}

// UnmarshalYAML reads a string as an item of one line, or of a whole batch if it begins with @.
func (it *item) UnmarshalYAML(n *yaml.Node) error {
	var s string
	if n.Kind != yaml.ScalarNode {
		type plain item
		return n.Decode((*plain)(it))
	}
	if err := n.Decode(&s); err != nil {
		return err
	}
	if strings.HasPrefix(s, "@") {
		it.Batch = s
	} else {
		it.Lines = []string{s}
	}
	return nil
}

// post is a single request, and what must answer it.
type post struct {
	Method  string            `yaml:"method"` // POST if absent
	Query   string            `yaml:"query"`
	Kind    string            `yaml:"kind"`  // with Batch
	Batch   string            `yaml:"batch"` // in a well-formed body
	Body    string            `yaml:"body"`  // the whole body
	Header  map[string]string `yaml:"header"`
	Status  int               `yaml:"status"`
	Refused string            `yaml:"refused"` // the reason, with status 200
}

func scripts() (suite.Set, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all suite.Set
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		d := yaml.NewDecoder(bytes.NewReader(data))
		d.KnownFields(true)
		var list []script
		if err := d.Decode(&list); err != nil && err != io.EOF { //nolint:errorlint // the decoder does not wrap it
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, s := range list {
			set, err := s.cases()
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, s.ID, err)
			}
			all = append(all, set...)
		}
	}
	return all, nil
}

func (s *script) cases() (suite.Set, error) {
	forms := 0
	for _, n := range []int{len(s.Refuse), len(s.Accept), len(s.Post)} {
		if n > 0 {
			forms++
		}
	}
	if forms != 1 {
		return nil, fmt.Errorf("it has %d of refuse, accept and post, not one", forms)
	}
	if len(s.Post) > 0 {
		return suite.Set{{
			ID: s.ID, Requirements: s.Checks, Sentence: s.Says, Profile: cmp.Or(s.Profile, suite.Poll),
			Role: suite.Server,
			Run:  func(t *suite.T) { s.posts(t) },
		}}, nil
	}
	set := each(s.ID, s.Says, s.Checks, func(t *suite.T, c *server.Session, kind string) {
		p := c.Open(kind, server.Open{Meta: server.App("echo")})
		p.Send("tbefore")
		c.Expect("tbefore")
		for _, it := range s.Refuse {
			p = it.refused(t, c, p)
		}
		for _, it := range s.Accept {
			it.accepted(c, p)
		}
		p.Send("tafter")
		c.Expect("tafter")
	})
	if len(s.Only) > 0 {
		set = slices.DeleteFunc(set, func(c suite.Case) bool { return !slices.Contains(s.Only, c.Profile) })
	}
	return set, nil
}

// send sends the batch; taken is how many log lines the server will take of it.
func (it *item) send(c *server.Session, p *server.Attachment, taken uint64) {
	p.Forget()
	text := it.Frame + it.Batch
	if text == "" {
		text = "@${next} ${ack}\n" + strings.Join(it.Lines, "\n") + "\n"
	}
	text = expand(text, c, p)
	c.SetUp(c.Up() + taken)
	if it.Frame != "" {
		p.SendFrame(text)
	} else {
		p.SendRaw(text)
	}
}

// refused sends a batch that must change nothing: the server would echo a line before the fault if
// it took it. It returns the attachment to go on with, because a fault ends a WebSocket
// (HF1-ERR-01).
func (it *item) refused(t *suite.T, c *server.Session, p *server.Attachment) *server.Attachment {
	sent := *it
	if len(sent.Lines) > 0 && !strings.HasPrefix(sent.Lines[0], "!close") {
		sent.Lines = append([]string{"tlost", `!ping {"i":4711}`}, sent.Lines...)
	}
	sent.send(c, p, 0)
	show := fmt.Sprintf("%.120q", it.Batch+it.Frame+strings.Join(it.Lines, "\n"))
	reason := it.Reason
	if reason == "" {
		reason = "malformed"
	}
	e, ok := p.Wait(server.Within, func(e server.Event) bool {
		return e.Batch == nil || e.Batch.Find("!refused") != nil || e.On != "poll" && e.Batch.Find("!reply") != nil ||
			e.Batch.Find("!pong") != nil
	})
	switch {
	case !ok:
		t.Fatalf("%s was not refused", show)
	case e.Batch != nil && e.Batch.Find("!refused") == nil:
		t.Fatalf("%s was answered by %s", show, e)
	case e.Batch != nil && e.Batch.Find("!refused").Text("reason") != reason:
		t.Fatalf("%s was refused by %s, not %s", show, e, reason)
	case e.Batch == nil && p.Kind != suite.WS && !isStatus(e.Err, it.Status):
		t.Fatalf("%s was answered by %v", show, e.Err)
	}
	if p.Kind != suite.WS {
		return p
	}
	if e.Batch != nil {
		e = p.End(server.Within)
	}
	if e.Code != 0 && e.Code != 4005 && e.Code != 1007 && e.Code != 1009 && e.Code != 1002 && e.Code != 1003 {
		t.Break("HF1-ERR-01", "after %s the WebSocket was closed with %d, not 4005", show, e.Code)
	}
	p.Drop()
	return c.Reattach(p.Kind)
}

func (it *item) accepted(c *server.Session, p *server.Attachment) {
	it.send(c, p, it.logs())
	get := it.Get
	if get == nil {
		get = it.Lines
	}
	for i := range get {
		get[i] = expand(get[i], c, p)
	}
	c.Expect(get...)
}

// logs counts the log lines of a batch that is taken.
func (it *item) logs() uint64 {
	n := uint64(0)
	if it.Frame != "" {
		n++
	}
	for _, l := range append(strings.Split(it.Batch, "\n"), it.Lines...) {
		if l = strings.TrimPrefix(l, "\ufeff"); strings.HasPrefix(l, "t") || strings.HasPrefix(l, "b") ||
			strings.HasPrefix(l, "+") {
			n++
		}
	}
	return n
}

func isStatus(err error, want int) bool {
	s, ok := err.(*server.StatusError) //nolint:errorlint // it is never wrapped
	return ok && s.Status == want
}

// posts sends each request.
func (s *script) posts(t *suite.T) {
	c := server.NewSession(t)
	for _, r := range s.Post {
		r.check(t, c)
	}
}

func (r *post) check(t *suite.T, c *server.Session) {
	nonce := fmt.Sprintf("conformance%08x", t.Rand.Uint32())
	body := strings.ReplaceAll(expand(r.Body, c, nil), "${nonce}", nonce)
	if r.Kind != "" {
		body = fmt.Sprintf("holdfast/1 %s %s\n%s.\n", r.Kind, nonce, expand(r.Batch, c, nil))
	}
	h := http.Header{}
	for name, v := range r.Header {
		h.Set(name, v)
	}
	t.Logf("→ %s %v %q", r.Method, r.Header, body)
	reply := c.Target.Request(t.Context(), r.Method, r.Query, body, h)
	show := fmt.Sprintf("%s %s%v %.160q", r.Method, r.Query, r.Header, body)
	switch {
	case reply.Err != nil:
		t.Fatalf("%s: %v", show, reply.Err)
	case r.Status != 0:
		if reply.Status != r.Status {
			t.Fatalf("%s was answered with status %d, not %d: %.200q", show, reply.Status, r.Status, reply.Raw)
		}
		blame(t, server.CheckAnyHeaders(reply.Header))
		return
	}
	kind := r.Kind
	if kind == "" {
		kind, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(body, "\ufeff"), "holdfast/1 "), " ")
	}
	batch, err := reply.Body(kind, nonce)
	blame(t, err)
	refused := batch.Find("!refused")
	switch {
	case refused == nil || refused.Text("reason") != r.Refused:
		t.Fatalf("%s was answered by %s, not refused %s", show, batch, r.Refused)
	case batch.First != 1 || batch.Ack != 0:
		t.Break("HF1-HTTP-10", "%s was answered with the head @%d %d", show, batch.First, batch.Ack)
	}
}

var placeholder = regexp.MustCompile(`\$\{(next|ack|key|run|att|hex|rep)(?:\+(\d+)|:([^}]*))?\}`)

// expand replaces ${next}, ${next+2}, ${ack}, ${key}, ${run}, ${att}, ${hex:00ff} and
// ${rep:2000:x}.
func expand(s string, c *server.Session, p *server.Attachment) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		f := placeholder.FindStringSubmatch(m)
		plus, _ := strconv.ParseUint(f[2], 10, 64)
		switch f[1] {
		case "next":
			return strconv.FormatUint(c.Up()+1+plus, 10)
		case "ack":
			return strconv.FormatUint(c.Ack()+plus, 10)
		case "key":
			return c.Key
		case "run":
			return c.Run
		case "att":
			return strconv.FormatUint(p.Att, 10)
		case "hex":
			b, _ := hex.DecodeString(f[3])
			return string(b)
		default:
			n, what, _ := strings.Cut(f[3], ":")
			times, _ := strconv.Atoi(n)
			return strings.Repeat(what, times)
		}
	})
}
