// Package cases holds the cases for clients: some are data in *.json, the others are in Go, one
// file for each area.
package cases

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// How long a case waits for what must come soon, and for what needs a reconnect. The machine that
// runs the suite may be busy.
const (
	soon  = 8 * time.Second
	later = 10 * time.Second
)

// world holds the client and the server of a case.
type world struct {
	*suite.T
	s *script.Server
	c *client.Session

	target    *client.Target
	transport string // the one the case runs over, "" for several
	eventLog  eventLog
	trace     string // the name of its trace, "" for the name of the case
}

var profiles = map[string]string{
	script.WebSocket: suite.WS, script.SSE: suite.SSE, script.LongPoll: suite.Poll, "": suite.Core,
}

// over makes a case for each of the transports; "all" stands for the three.
func over(transports, id, requirements, sentence string, run func(w *world)) suite.Set {
	if transports == "all" {
		transports = "ws sse poll"
	}
	var out suite.Set
	for _, short := range strings.Fields(transports) {
		transport := map[string]string{"ws": script.WebSocket, "sse": script.SSE, "poll": script.LongPoll}[short]
		out = append(out, one(id+"@"+short, transport, requirements, sentence, run))
	}
	return out
}

// several makes one case that chooses its transports itself.
func several(id, requirements, sentence string, run func(w *world)) suite.Set {
	return suite.Set{one(id, "", requirements, sentence, run)}
}

func one(id, transport, requirements, sentence string, run func(w *world)) suite.Case {
	var list []string
	for _, r := range strings.Fields(requirements) {
		list = append(list, "HF1-"+r)
	}
	return suite.Case{
		ID: id, Requirements: list, Sentence: sentence, Profile: profiles[transport], Role: suite.Client,
		Limit: 45 * time.Second,
		Run: func(t *suite.T) {
			target := t.Target.(*client.Target)
			if transport != "" && !target.Has(transport) {
				t.Skipf("the client has no %s", transport)
			}
			w := &world{T: t, s: script.New(t), target: target, transport: transport}
			w.s.Record = w.eventLog.add
			run(w)
			w.checkTrace()
		},
	}
}

func (w *world) blame() string { return w.Case.Requirements[0] }

// start lets the client connect. Without a list of transports it uses the case's transport.
func (w *world) start(c client.Command) {
	if c.URL == "" {
		c.URL = w.s.URL
	}
	if c.Transports == nil {
		c.Transports = []string{w.transport}
	}
	for _, t := range c.Transports {
		if !w.target.Has(t) {
			w.Skipf("the client has no %s", t)
		}
	}
	s, err := w.target.Connect(c, w.Logf, w.eventLog.add)
	if err != nil {
		w.Fatalf("the adapter is gone: %v", err)
	}
	w.c = s
	w.Cleanup(s.Forget)
}

// connect starts the client and waits until it says that it is open.
func (w *world) connect(c client.Command) {
	w.start(c)
	w.event(later, w.blame(), "the client is open", "open")
}

// event waits for an event, and fails the case with the requirement if it does not come.
func (w *world) event(d time.Duration, requirement, what, name string) (found client.Event) {
	if !w.c.WaitFor(w.Context(), d, func(all []client.Event) bool {
		i := slices.IndexFunc(all, func(e client.Event) bool { return e.Event == name })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	}) {
		w.s.Do(nil) // a fault that the client has made is the better reason
		w.Break(requirement, "not within %s: %s", d, what)
	}
	return found
}

// hasEvent reports whether an event of that name has come.
func (w *world) hasEvent(name string) (yes bool) {
	w.c.WaitFor(w.Context(), 0, func(all []client.Event) bool {
		yes = slices.ContainsFunc(all, func(e client.Event) bool { return e.Event == name })
		return true
	})
	return yes
}

// messages are the messages that the application was given so far.
func messages(all []client.Event) (out []string) {
	for _, e := range all {
		if e.Event != "message" {
			continue
		}
		if e.Text != nil {
			out = append(out, *e.Text)
		} else if e.Base64 != nil {
			raw, _ := base64.StdEncoding.DecodeString(*e.Base64)
			out = append(out, "binary "+string(raw))
		}
	}
	return out
}

// gets waits until the application was given exactly these messages.
func (w *world) gets(d time.Duration, requirement string, want ...string) {
	var got []string
	ok := w.c.WaitFor(w.Context(), d, func(all []client.Event) bool {
		got = messages(all)
		return len(got) >= len(want) || len(got) > 0 && !slices.Equal(got, want[:len(got)])
	})
	w.s.Do(nil)
	if !ok || !slices.Equal(got, want) {
		w.Break(requirement, "within %s the application was given %s, not %s", d, show(got), show(want))
	}
}

func show(list []string) string {
	out := make([]string, 0, len(list))
	for _, m := range list {
		if len(m) > 60 {
			m = fmt.Sprintf("%.50s… (%d bytes)", m, len(m))
		}
		out = append(out, fmt.Sprintf("%q", m))
	}
	if len(out) > 12 {
		out = append(out[:12], fmt.Sprintf("… %d in all", len(list)))
	}
	return "[" + strings.Join(out, " ") + "]"
}

// send has the client send texts.
func (w *world) send(texts ...string) {
	for _, text := range texts {
		if err := w.c.Do(client.Command{Do: "send", Text: &text}); err != nil {
			w.Fatalf("the adapter is gone: %v", err)
		}
	}
}

func (w *world) sendBinary(data string) {
	b := base64.StdEncoding.EncodeToString([]byte(data))
	_ = w.c.Do(client.Command{Do: "send", Base64: &b})
}

func (w *world) do(what string) { _ = w.c.Do(client.Command{Do: what}) }

// hello exchanges one message each way, which shows that the session works. Nothing else may have
// been sent before.
func (w *world) hello() {
	w.s.Enqueue("thello from the server")
	w.send("hello from the client")
	w.gets(later, w.blame(), "hello from the server")
	w.s.Got(later, w.blame(), "hello from the client")
}

// stillWorks shows that the session still works after the given messages: it is the same session,
// and everything arrives.
func (w *world) stillWorks(up, down []string) {
	w.s.Enqueue("tit goes on")
	w.send("it goes on")
	w.gets(2*later, w.blame(), append(down, "it goes on")...)
	w.s.Got(2*later, w.blame(), append(up, "it goes on")...)
	w.eventLog.markCalm()
	if w.hasEvent("closed") {
		w.Fatalf("the session has ended")
	}
	if n := w.countSessions(); n > 1 {
		w.Fatalf("%d sessions instead of one", n)
	}
}

// countSessions counts the sessions that the server has seen in POSTs.
func (w *world) countSessions() int {
	seen := map[string]bool{}
	w.s.Do(func() {
		for _, q := range w.s.Requests {
			if q.Batch != nil && len(q.Batch.Lines) > 0 {
				seen[q.Batch.Lines[0].Text("key")] = true
			}
		}
	})
	return len(seen)
}

// reattached waits for an attachment that is newer than after.
func (w *world) reattached(d time.Duration, requirement, why string, after *script.Attachment) {
	w.s.Until(d, requirement, why, func() bool {
		p := w.s.Find("")
		return p != nil && p != after && p.OpenedAt.After(after.OpenedAt)
	})
}

func (w *world) attachment() (p *script.Attachment) {
	w.s.Do(func() { p = w.s.Live("") })
	return p
}

// expectEnd waits until the client says that the session has ended.
func (w *world) expectEnd(d time.Duration, requirement string, code int) client.Event {
	e := w.event(d, requirement, fmt.Sprintf("the session ends with %d", code), "closed")
	if e.Code != code {
		w.Break(requirement, "the session has ended with %d %q, not with %d", e.Code, e.Reason, code)
	}
	return e
}

func raw(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}
