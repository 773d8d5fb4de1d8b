package cases

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

//go:embed batches.json
var batches []byte

// batchCase is a batch, or a whole HTTP body, that a server sends. The client must take it, or
// refuse all of it and go on with a new connection. {nonce} and {reply} stand for the request's
// nonce and an honest !reply.
type batchCase struct {
	ID, On, Requirement, Sentence string
	Refuse, RefuseBase64, Take    string
	Messages                      []string // of Take, what the application is given
	Body                          bool
}

func batchCases() (suite.Set, error) {
	var list []batchCase
	if err := json.Unmarshal(batches, &list); err != nil {
		return nil, fmt.Errorf("batches.json: %w", err)
	}
	var out suite.Set
	for _, c := range list {
		if c.RefuseBase64 != "" {
			b, err := base64.StdEncoding.DecodeString(c.RefuseBase64)
			if err != nil {
				return nil, fmt.Errorf("batches.json: %s: %w", c.ID, err)
			}
			c.Refuse = string(b)
		}
		run := c.taken
		if c.Refuse != "" {
			run = c.refused
		}
		out = append(out, over(c.On, c.ID, c.Requirement, c.Sentence, run)...)
	}
	return out, nil
}

// replaceFirst lets the server send the batch once, instead of the one with the first line of its
// log.
func (c *batchCase) replaceFirst(w *world, text string) (sent func() bool) {
	done := false
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if done || !strings.Contains(batch, "\ntfirst") {
			return []string{batch}
		}
		done = true
		return []string{text}
	}
	w.s.Alter = func(q *script.Request, r *script.Reply) {
		if done || !strings.Contains(r.Batch, "\ntfirst") {
			return
		}
		done = true
		reply := w.s.ReplyLine()
		switch {
		case c.Body:
			r.Body = strings.NewReplacer("{nonce}", q.Nonce, "{reply}", reply).Replace(text)
		default:
			head, rest, _ := strings.Cut(text, "\n")
			if strings.HasPrefix(head, "@") {
				r.Batch = head + "\n" + reply + "\n" + rest
			} else {
				r.Batch = text
			}
		}
	}
	return func() (yes bool) {
		w.s.Do(func() { yes = done })
		return yes
	}
}

// refused checks that nothing of the batch is taken, that the client leaves the connection, and
// that what the server really had to say arrives.
func (c *batchCase) refused(w *world) {
	w.connect(client.Command{})
	before := w.attachment()
	sent := c.replaceFirst(w, c.Refuse)
	w.s.Enqueue("tfirst", "tsecond")
	w.gets(later, w.blame(), "first", "second")
	if !sent() {
		w.Fatalf("the suite has not sent the batch")
	}
	if w.transport != script.LongPoll {
		w.reattached(later, "HF1-ERR-01", "a new attachment after an undecodable batch", before)
	}
	w.stillWorks(nil, []string{"first", "second"})
}

// taken checks that the application is given the messages, and that the connection goes on.
func (c *batchCase) taken(w *world) {
	w.connect(client.Command{})
	before := w.attachment()
	c.replaceFirst(w, c.Take)
	var lines []string
	for l := range strings.Lines(c.Take) {
		if strings.ContainsRune("tb+", rune(l[0])) {
			lines = append(lines, "tfirst")
		}
	}
	w.s.Enqueue(lines...)
	w.gets(later, w.blame(), c.Messages...)
	n := uint64(len(lines))
	w.s.Until(later, "HF1-NUM-11", "an ack of what was taken", func() bool { return w.s.Acked == n })
	w.s.Do(func() {
		if !before.Alive || len(w.s.Attachments) > 1 {
			w.s.Fault(w.blame(), "the client has left the carrier that brought a good batch")
		}
	})
}
