// Command go is the adapter of the Go client for holdfast-conformance client, and a model for other
// clients. It uses the adapter protocol of docs/conformance.md: commands come as JSON lines, and
// events go out as JSON lines.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"sync"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

type command struct {
	Session    int             `json:"session"`
	Do         string          `json:"do"`
	URL        string          `json:"url"`
	Transports []string        `json:"transports"`
	Auth       json.RawMessage `json:"auth"`
	Meta       json.RawMessage `json:"meta"`
	MaxBatch   int             `json:"maxBatch"`
	Hold       bool            `json:"hold"`
	Text       *string         `json:"text"`
	Base64     []byte          `json:"base64"`
	Malformed  bool            `json:"malformed"`
	Code       int             `json:"code"`
	Reason     string          `json:"reason"`
}

type fields map[string]any

var (
	out   = json.NewEncoder(os.Stdout)
	outMu sync.Mutex
)

func emit(id int, event string, more fields) {
	line := fields{"session": id, "event": event}
	for k, v := range more {
		line[k] = v
	}
	outMu.Lock()
	defer outMu.Unlock()
	_ = out.Encode(line)
}

func main() {
	emit(0, "ready", fields{"client": "holdfast-go", "transports": []string{"websocket", "sse", "longpoll"}})
	sessions := map[int]*driven{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 32<<20)
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			os.Exit(2)
		}
		if c.Do == "connect" {
			if s := connect(c); s != nil {
				d := &driven{s, make(chan command, 4096)}
				go d.sends()
				sessions[c.Session] = d
			}
		} else if d := sessions[c.Session]; d != nil {
			d.do(c)
		}
	}
}

func connect(c command) *session.Session {
	o := &client.Options{Transports: c.Transports, Meta: c.Meta, MaxBatch: c.MaxBatch}
	if c.Auth != nil {
		o.Auth = func(context.Context) (json.RawMessage, error) { return c.Auth, nil }
	}
	var once sync.Once
	o.Trace = func(t session.Trace) {
		if t.What == "opened" {
			once.Do(func() { emit(c.Session, "open", nil) })
		}
		emit(c.Session, "trace",
			fields{"what": t.What, "transport": t.Transport, "attachment": t.Att, "reason": t.Reason})
	}
	s, err := client.Start(c.URL, o)
	if err != nil {
		emit(c.Session, "refused", fields{"error": err.Error()})
		return nil
	}
	closed := func(e session.End) {
		emit(c.Session, "closed",
			fields{"code": e.Code, "reason": e.Reason, "remote": e.Remote, "delivered": e.Delivered, "exact": e.Exact})
	}
	if c.Hold { // OnClose would wait until everything is taken
		go func() {
			<-s.Done()
			e, _ := s.Ended()
			closed(e)
		}()
		return s
	}
	s.OnClose(closed)
	take(s, c.Session)
	return s
}

func take(s *session.Session, id int) {
	s.OnMessage(func(m session.Message) {
		if m.Binary {
			emit(id, "message", fields{"number": m.Number, "base64": m.Data})
		} else {
			emit(id, "message", fields{"number": m.Number, "text": string(m.Data)})
		}
	})
}

// driven is a session with the commands that it still has to send, because Send waits while the
// window is full.
type driven struct {
	*session.Session
	queue chan command
}

func (d *driven) do(c command) {
	switch c.Do {
	case "take":
		take(d.Session, c.Session)
	case "send", "close":
		d.queue <- c
	case "drained":
		go func() {
			if d.Drained(context.Background()) == nil {
				emit(c.Session, "drained", nil)
			}
		}()
	}
}

func (d *driven) sends() {
	for c := range d.queue {
		m := session.Binary(c.Base64)
		switch {
		case c.Do == "close":
			_ = d.EndWith(cmp.Or(transport.Code(c.Code), transport.CodeDone), c.Reason)
			continue
		case c.Malformed:
			m = session.Text("a\xed\xa0\x80") // what WTF-8 makes of a lone surrogate
		case c.Text != nil:
			m = session.Text(*c.Text)
		}
		if n, err := d.Send(context.Background(), m); err != nil {
			emit(c.Session, "refused", fields{"error": err.Error()})
		} else {
			emit(c.Session, "sent", fields{"number": n})
		}
	}
}
