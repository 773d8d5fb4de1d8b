package cases

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// webCases: HTTP and WebSocket, and what they must not be taken for.
func webCases() suite.Set {
	var out suite.Set
	add := func(s suite.Set) { out = append(out, s...) }
	for what, r := range map[string]*script.Reply{
		"404": {Status: 404, Body: "no"}, "500": {Status: 500, Body: "no"}, "403": {Status: 403, Body: "no"}, "410": {Status: 410, Body: "gone"},
		"204": {Status: 204}, "reset": {Abort: true}, "cut": {Body: "holdfast/1 up AAAA", Abort: true},
		"portal": {Body: "<!doctype html><title>Sign in</title>", Header: map[string]string{"Content-Type": "text/html"}},
	} {
		add(over("sse poll", "http/status-"+what, "HTTP-04 CLO-02", "A status but 200, a page, a reset is a fault of the carrier and no news of the session.", func(w *world) {
			bad, n := false, 0
			w.s.Lossy = true
			w.s.Request = func(*script.Request) *script.Reply {
				if bad && n < 4 {
					n++
					return r
				}
				return nil
			}
			w.connect(client.Command{})
			w.s.Do(func() {
				bad = true
				w.s.Live("").Kill()
			})
			w.send("up")
			w.s.Say("tdown")
			w.gets(3*later, "HF1-HTTP-04", "down")
			w.s.Got(3*later, "HF1-HTTP-04", "up")
			w.goesOn([]string{"up"}, []string{"down"})
		}))
	}
	for what, status := range map[string]int{"404": 404, "503": 503, "200": 200} {
		add(over("ws", "http/upgrade-"+what, "HTTP-04 CLO-02", "An upgrade that is refused is a fault of the carrier and no news of the session.", func(w *world) {
			bad := 0
			w.s.Upgrade = func(n int, _ *http.Request) int {
				if n > 1 && bad < 3 {
					bad++
					return status
				}
				return 0
			}
			w.connect(client.Command{})
			w.s.Do(func() { w.s.Live("").Kill() })
			w.goesOn(nil, nil)
		}))
	}
	add(over("sse poll", "http/redirect", "HTTP-08 HTTP-04", "No redirect is followed.", func(w *world) {
		n := 0
		w.s.Request = func(*script.Request) *script.Reply {
			if n++; n%2 == 1 && n < 6 {
				return &script.Reply{Status: []int{307, 302, 308}[n/2], Header: map[string]string{"Location": "/trap"}}
			}
			return nil
		}
		w.connect(client.Command{})
		w.goesOn(nil, nil)
	}))
	add(over("all", "http/simple", "HTTP-06 HTTP-01", "No preflight, no custom header, no secret in a URL; a fresh nonce for every request.", func(w *world) {
		w.connect(client.Command{Auth: raw("token-tttt"), Meta: raw(map[string]string{"room": "rrrr"})})
		w.hello()
		w.s.Do(func() {
			if len(w.s.Auths) == 0 || w.s.Auths[0] != `"token-tttt"` {
				w.s.Fault("HF1-HTTP-06", "auth came as %v", w.s.Auths)
			}
			w.s.Live("").Kill()
		})
		w.goesOn([]string{"hello from the client"}, []string{"hello from the server"})
	}))
	add(over("sse", "http/stream-nonce", "HTTP-01", "A stream whose first event repeats another nonce is a fault of the carrier.", func(w *world) {
		n := 0
		w.s.Request = func(q *script.Request) *script.Reply {
			if q.Kind == "stream" {
				if n++; n == 1 {
					return &script.Reply{Header: map[string]string{"Content-Type": "text/event-stream"}, Abort: true, Body: ":" + strings.Repeat(" ", 2048) +
						"\n\ndata:holdfast/1 stream AAAAAAAAAAAAAAAAAAAA\ndata:@1 0\ndata:!closed {\"code\":4100,\"reason\":\"\",\"recv\":0,\"ack\":0}\ndata:.\n\n"}
				}
			}
			return nil
		}
		w.connect(client.Command{})
		w.goesOn(nil, nil)
	}))
	add(over("ws", "wsk/first", "WSK-01 WSK-02", "The client speaks first, by an !open batch, and uses no extension that was not negotiated.", func(w *world) {
		w.connect(client.Command{})
		w.send(strings.Repeat("compressible ", 500))
		w.s.Got(later, "HF1-WSK-02", strings.Repeat("compressible ", 500))
	}))
	add(over("all", "who/key", "WHO-01 CLO-06", "Each session has a fresh key of 32 bytes.", func(w *world) {
		w.connect(client.Command{})
		var key string
		w.s.Do(func() { key = w.s.Key })
		other := &world{T: w.T, s: script.New(w.T), target: w.target, transport: w.transport}
		other.connect(client.Command{})
		other.s.Do(func() {
			if other.s.Key == key {
				other.s.Fault("HF1-WHO-01", "two sessions with one key")
			}
		})
		other.s.Do(nil)
	}))
	add(over("all", "who/run", "WHO-03", "The run is repeated in every later !open, !poll and !up.", func(w *world) {
		w.connect(client.Command{})
		w.hello()
		w.Sleep(3100 * time.Millisecond) // an !open without run that raced may come until then
		for range 2 {
			before := w.path()
			w.s.Do(before.Kill)
			w.again(later, "HF1-WHO-03", "a new attachment", before)
			w.s.Until(later, "HF1-WHO-03", "an attachment that lives", func() bool { return w.s.Live("") != nil })
		}
		w.goesOn([]string{"hello from the client"}, []string{"hello from the server"})
	}))
	add(over("ws sse poll", "who/other-run", "WHO-06", "An opened that shows another run than the known one is a fault of that path.", func(w *world) {
		w.connect(client.Command{})
		w.hello()
		shown := 0
		wrong := func(batch string) string {
			if !strings.Contains(batch, "!opened") || shown > 1 {
				return batch
			}
			shown++
			return "@1 1\n" + strings.Replace(strings.SplitN(batch, "\n", 2)[1], w.s.Run, strings.Repeat("x", 20), 1) + "tdecoy\ntdecoy\n"
		}
		w.s.Do(func() {
			w.s.Send = func(_ *script.Path, batch string) []string { return []string{wrong(batch)} }
			w.s.Alter = func(_ *script.Request, r *script.Reply) { r.Batch = wrong(r.Batch) }
			w.s.Live("").Kill()
		})
		w.goesOn([]string{"hello from the client"}, []string{"hello from the server"})
		w.s.Do(func() {
			if shown < 2 {
				w.s.Fault("HF1-WHO-06", "the client was content with the opened of another run")
			}
		})
		w.s.Do(nil)
	}))
	add(over("all", "who/repeats", "WHO-10", "At least one packet goes out once opened was read, so that the session is not dropped.", func(w *world) {
		w.connect(client.Command{})
		w.s.Until(2*time.Second, "HF1-WHO-10", "a packet after opened", func() bool { return w.s.Repeated })
	}))
	add(several("who/no-logs", "WHO-12", "No key, no token and no payload is logged.", func(w *world) {
		w.connect(client.Command{Transports: w.target.Transports, Auth: raw("token-73c1e0"), Meta: raw("meta-73c1e0")})
		w.send("payload-73c1e0")
		w.s.Got(later, "HF1-WHO-12", "payload-73c1e0")
		w.s.Do(func() {
			w.s.Live("").Raw("@1 0\nxpayload-73c1e0\n") // an error to tell of
		})
		w.Sleep(300 * time.Millisecond)
		var key string
		w.s.Do(func() { key = w.s.Key })
		said := w.target.Output()
		for what, secret := range map[string]string{"key": key, "token": "token-73c1e0", "payload": "payload-73c1e0"} {
			if strings.Contains(said, secret) {
				w.Fatalf("the client tells the session's %s in what it logs", what)
			}
		}
	}))
	add(over("all", "att/rising", "ATT-01", "Attachments are numbered from 1, rising; a number serves one attachment only.", func(w *world) {
		w.connect(client.Command{})
		for range 3 {
			w.s.Do(func() { w.s.Live("").Kill() })
			w.s.Until(later, "HF1-ATT-01", "an attachment that lives", func() bool { return w.s.Live("") != nil })
		}
		w.s.Do(func() {
			var last uint64
			for _, p := range w.s.Paths {
				if p.Att <= last {
					w.s.Fault("HF1-ATT-01", "the attachment %d comes after %d", p.Att, last)
				}
				if last == 0 && p.Att != 1 {
					w.s.Fault("HF1-ATT-01", "the first attachment is %d", p.Att)
				}
				last = p.Att
			}
		})
		w.s.Do(nil)
	}))
	return out
}

// pollCases: section 8 and 9, from the client's side.
func pollCases() suite.Set {
	var out suite.Set
	add := func(s suite.Set) { out = append(out, s...) }
	add(over("poll", "pol/few", "POL-04 POL-05", "One poll hangs, two requests are under way, one of them an up.", func(w *world) {
		w.s.Echo = true
		w.connect(client.Command{})
		var want []string
		for i := range 25 {
			want = append(want, fmt.Sprint("message ", i))
			w.send(want[i])
			w.Sleep(20 * time.Millisecond)
		}
		w.gets(later, "HF1-POL-04", want...)
		w.Sleep(400 * time.Millisecond) // the count lags by 300 ms
		w.s.Do(nil)
	}))
	add(over("sse poll", "pol/busy", "POL-09", "An up that is answered 429 or 503 is made again after a pause that doubles, and does not end the attachment.", func(w *world) {
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
			for i, pause := 1, 90*time.Millisecond; i < len(came); i, pause = i+1, 2*pause { // with a tenth for rounding
				if d := came[i].Sub(came[i-1]); d < pause {
					w.s.Fault("HF1-POL-09", "the up that was answered %d times was made again after %s", i, d)
				}
			}
			if len(w.s.Paths) > 1 {
				w.s.Fault("HF1-POL-09", "four busy answers have ended the attachment")
			}
		})
		w.goesOn([]string{"a"}, nil)
	}))
	add(over("sse poll", "pol/up-again", "POL-05 LIV-06", "An up that is not answered within clamp(4 RTT, 2 s, 10 s) is sent again with the same numbers and content.", func(w *world) {
		first, began := 0, time.Time{}
		w.s.Request = func(q *script.Request) *script.Reply {
			if q.Kind != "up" || q.Batch.Logs() == 0 {
				return nil
			}
			if first++; first == 1 {
				began = time.Now()
				return &script.Reply{Never: true}
			}
			if d := time.Since(began); first == 2 && d < 1800*time.Millisecond {
				w.s.Fault("HF1-LIV-06", "the next up came %s after one that was not answered", d)
			}
			return nil
		}
		w.connect(client.Command{})
		w.send("a")
		w.s.Got(12*time.Second, "HF1-POL-05", "a")
		w.goesOn([]string{"a"}, nil)
	}))
	add(over("poll", "pol/tight", "POL-07", "After an empty answer the client sends the next poll no sooner than 100 ms after that one.", func(w *world) {
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
		if len(at) > 44 { // ten in a second take 100 ms each
			w.Fatalf("%d polls in 4 s, all answered empty at once", len(at))
		}
		// Of two polls one may have come late, and so the next close upon it: five tell.
		for i := range len(at) - 4 {
			if d := at[i+4].Sub(at[i]); d < 290*time.Millisecond {
				w.Fatalf("five polls within %s, all answered empty at once", d)
			}
		}
	}))
	add(over("poll", "pol/deadline", "LIV-06", "A poll that is not answered within hold + max(2 s, 4 RTT) is given up.", func(w *world) {
		w.s.Hold = 5000
		n, began := 0, time.Time{}
		w.s.Request = func(q *script.Request) *script.Reply {
			if q.Kind != "poll" {
				return nil
			}
			if n++; n == 1 {
				began = time.Now()
				return &script.Reply{Never: true}
			}
			if d := time.Since(began); n == 2 && d < 5*time.Second {
				w.s.Fault("HF1-LIV-06", "the next poll came after %s, hold is 5 s", d)
			}
			return nil
		}
		w.connect(client.Command{})
		w.s.Until(12*time.Second, "HF1-LIV-06", "another poll or attachment", func() bool { return n > 1 || len(w.s.Paths) > 1 })
	}))
	add(over("sse", "sse/accept", "SSE-05", "A stream is asked for with Accept: text/event-stream.", func(w *world) {
		w.connect(client.Command{})
		w.hello()
	}))
	add(several("sse/held", "SSE-03", "A stream that holds data back (beacon 2 not within 1 s + 2 round trips after opened) is left, and nothing is lost.", func(w *world) {
		w.s.Send = func(p *script.Path, batch string) []string {
			if p.Transport == script.SSE && strings.Contains(batch, `?beacon {"i":2}`) {
				return nil // it stands for all that comes as late; pongs come, so that nothing else tells
			}
			return []string{batch}
		}
		w.connect(client.Command{Transports: []string{script.SSE, script.LongPoll}})
		w.s.Until(5*time.Second, "HF1-SSE-03", "an attachment beside the stream that holds back", func() bool { return len(w.s.Paths) > 1 })
		w.goesOn(nil, nil)
	}))
	add(several("sse/posts-wait", "SSE-09", "A stream that is heard while what is posted for it goes unanswered is closed before another attachment is begun.", func(w *world) {
		w.connect(client.Command{Transports: []string{script.SSE, script.LongPoll}})
		first := w.path()
		w.s.Until(soon, "HF1-WHO-10", "a packet after opened", func() bool { return w.s.Repeated })
		w.s.Do(func() {
			w.s.Request = func(q *script.Request) *script.Reply {
				if q.Kind == "up" && q.Batch.Lines[0].Number("att") == first.Att {
					return &script.Reply{Never: true} // it waits for the connection that the stream holds
				}
				return nil
			}
		})
		w.send("a")
		another := func() bool { return len(w.s.Paths) > 1 }
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
				w.s.Fault("HF1-SSE-09", "the transport does not rest")
			}
		})
	}))
	add(over("sse", "sse/no-end-line", "SSE-04", "An event without its `.` line is discarded.", func(w *world) {
		w.connect(client.Command{})
		w.s.Do(func() { w.s.Live(script.SSE).Bytes("data:@1 0\ndata:tdecoy\n\n") })
		w.goesOn(nil, nil)
	}))
	add(over("sse", "sse/tail", "SSE-04", "A tail without its blank line is discarded.", func(w *world) {
		w.connect(client.Command{})
		before := w.path()
		w.s.Do(func() { before.Bytes("data:@1 0\ndata:tdecoy\ndata:.\n") })
		w.Sleep(100 * time.Millisecond)
		w.s.Do(before.Kill)
		w.again(later, "HF1-SSE-04", "a new stream", before)
		w.goesOn(nil, nil)
	}))
	return out
}
