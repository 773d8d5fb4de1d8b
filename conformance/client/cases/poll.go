package cases

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// pollCases are about sections 8 and 9, as the client sees them.
func pollCases() suite.Set {
	return slices.Concat(
		over("poll", "pol/few", "POL-04 POL-05",
			"One poll hangs, two requests are in flight, one of them an up.", polFew),
		over("sse poll", "pol/busy", "POL-09",
			"An up that is answered 429 or 503 is made again after a pause that doubles, and does not end the "+
				"attachment.", polBusy),
		over("sse poll", "pol/up-again", "POL-05 LIV-06",
			"An up that is not answered within clamp(4 RTT, 2 s, 10 s) is sent again with the same numbers and "+
				"content.", polUpAgain),
		over("poll", "pol/tight", "POL-07",
			"After an empty answer the client sends the next poll no sooner than 100 ms after that one.", polTight),
		over("poll", "pol/deadline", "LIV-06",
			"A poll that is not answered within hold + max(2 s, 4 RTT) is given up.", polDeadline),
		over("sse", "sse/accept", "SSE-05",
			"A stream is asked for with Accept: text/event-stream.", sseAccept),
		several("sse/held", "SSE-03",
			"A stream that holds data back (beacon 2 not within 1 s + 2 round trips after opened) is left, and "+
				"nothing is lost.", sseHeld),
		several("sse/posts-wait", "SSE-09",
			"A stream that still receives, while its POSTs get no answer, is closed before another "+
				"attachment is started.", ssePostsWait),
		over("sse", "sse/no-end-line", "SSE-04",
			"An event without its `.` line is discarded.", sseNoEndLine),
		over("sse", "sse/tail", "SSE-04",
			"A tail without its blank line is discarded.", sseTail),
	)
}

func polFew(w *world) {
	w.s.Echo = true
	w.connect(client.Command{})
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprint("message ", i))
		w.send(want[i])
		w.Sleep(20 * time.Millisecond)
	}
	w.gets(later, "HF1-POL-04", want...)
	w.Sleep(400 * time.Millisecond) // the server counts 300 ms later
	w.s.Do(nil)
}

func polBusy(w *world) {
	var came []time.Time
	w.s.Request = func(q *script.Request) *script.Reply {
		if q.Kind != "up" || q.Batch.Logs() == 0 {
			return nil
		}
		if came = append(came, q.At); len(came) < 5 {
			return &script.Reply{Status: []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[len(came)%2]}
		}
		return nil
	}
	w.connect(client.Command{})
	w.send("a")
	w.s.Got(later, "HF1-POL-09", "a")
	w.s.Do(func() {
		for i, pause := 1, 90*time.Millisecond; i < len(came); i, pause = i+1, 2*pause { // 10 % less, for rounding
			if d := came[i].Sub(came[i-1]); d < pause {
				w.s.Fault("HF1-POL-09", "the up that was answered %d times was made again after %s", i, d)
			}
		}
		if len(w.s.Attachments) > 1 {
			w.s.Fault("HF1-POL-09", "four busy answers have ended the attachment")
		}
	})
	w.stillWorks([]string{"a"}, nil)
}

func polUpAgain(w *world) {
	first, start := 0, time.Time{}
	w.s.Request = func(q *script.Request) *script.Reply {
		if q.Kind != "up" || q.Batch.Logs() == 0 {
			return nil
		}
		if first++; first == 1 {
			start = time.Now()
			return &script.Reply{Never: true}
		}
		if d := time.Since(start); first == 2 && d < 1800*time.Millisecond {
			w.s.Fault("HF1-LIV-06", "the next up came %s after one that was not answered", d)
		}
		return nil
	}
	w.connect(client.Command{})
	w.send("a")
	w.s.Got(12*time.Second, "HF1-POL-05", "a")
	w.stillWorks([]string{"a"}, nil)
}

func polTight(w *world) {
	w.s.Request = func(q *script.Request) *script.Reply {
		if q.Kind == "poll" {
			return &script.Reply{Batch: "@1 0\n" + w.s.ReplyLine() + "\n"}
		}
		return nil
	}
	w.connect(client.Command{})
	w.Sleep(4 * time.Second)
	var at []time.Time
	w.s.Do(func() {
		for _, q := range w.s.Requests {
			if q.Kind == "poll" {
				at = append(at, q.At)
			}
		}
	})
	if len(at) < 5 {
		w.Fatalf("%d polls in 4 s", len(at))
	}
	if len(at) > 44 { // every 100 ms would make 40
		w.Fatalf("%d polls in 4 s, all answered empty at once", len(at))
	}
	// Two polls prove nothing: the first may have come late and the next soon after it. Five do.
	for i := range len(at) - 4 {
		if d := at[i+4].Sub(at[i]); d < 290*time.Millisecond {
			w.Fatalf("five polls within %s, all answered empty at once", d)
		}
	}
}

func polDeadline(w *world) {
	w.s.Hold = 5000
	n, start := 0, time.Time{}
	w.s.Request = func(q *script.Request) *script.Reply {
		if q.Kind != "poll" {
			return nil
		}
		if n++; n == 1 {
			start = time.Now()
			return &script.Reply{Never: true}
		}
		if d := time.Since(start); n == 2 && d < 5*time.Second {
			w.s.Fault("HF1-LIV-06", "the next poll came after %s, hold is 5 s", d)
		}
		return nil
	}
	w.connect(client.Command{})
	w.s.Until(12*time.Second, "HF1-LIV-06", "another poll or attachment", func() bool {
		return n > 1 || len(w.s.Attachments) > 1
	})
}

func sseAccept(w *world) {
	w.connect(client.Command{})
	w.hello()
}

func sseHeld(w *world) {
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if p.Transport == script.SSE && strings.Contains(batch, `?beacon {"i":2}`) {
			return nil // stands for all that is held back; pongs come, so no other rule finds it
		}
		return []string{batch}
	}
	w.connect(client.Command{Transports: []string{script.SSE, script.LongPoll}})
	w.s.Until(5*time.Second, "HF1-SSE-03", "another attachment than the stream that holds back", func() bool {
		return len(w.s.Attachments) > 1
	})
	w.stillWorks(nil, nil)
}

func ssePostsWait(w *world) {
	w.connect(client.Command{Transports: []string{script.SSE, script.LongPoll}})
	first := w.attachment()
	w.s.Until(soon, "HF1-WHO-10", "a packet after opened", func() bool { return w.s.Confirmed })
	w.s.Do(func() {
		w.s.Request = func(q *script.Request) *script.Reply {
			if q.Kind == "up" && q.Batch.Lines[0].Number("att") == first.Att {
				return &script.Reply{Never: true} // it waits for the connection that the stream holds
			}
			return nil
		}
	})
	w.send("a")
	another := func() bool { return len(w.s.Attachments) > 1 }
	for range 8 { // less than the attach deadline
		w.s.Do(func() { first.Control("?grease-heard") })
		if w.s.Within(time.Second, another) {
			break
		}
	}
	w.s.Until(time.Second, "HF1-SSE-09", "the end of the stream", func() bool { return another() && !first.Alive })
	w.s.Got(soon, "HF1-SSE-09", "a")
	w.s.Do(func() {
		if p := w.s.Live(""); p == nil || p.Transport != script.LongPoll {
			w.s.Fault("HF1-SSE-09", "the transport is not in cooldown")
		}
	})
}

func sseNoEndLine(w *world) {
	w.connect(client.Command{})
	w.s.Do(func() { w.s.Live(script.SSE).Bytes("data:@1 0\ndata:tdecoy\n\n") })
	w.stillWorks(nil, nil)
}

func sseTail(w *world) {
	w.connect(client.Command{})
	before := w.attachment()
	w.s.Do(func() { before.Bytes("data:@1 0\ndata:tdecoy\ndata:.\n") })
	w.Sleep(100 * time.Millisecond)
	w.s.Do(before.Kill)
	w.reattached(later, "HF1-SSE-04", "a new stream", before)
	w.stillWorks(nil, nil)
}
