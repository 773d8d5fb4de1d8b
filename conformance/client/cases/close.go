package cases

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// closeCases are about sections 11 and 12.
func closeCases() suite.Set {
	return slices.Concat(
		over("all", "clo/after-all", "CLO-01",
			"All earlier messages are delivered before the peer's !close is reported.", cloAfterAll),
		over("ws poll", "clo/repeat-ack", "CLO-04",
			"Having taken the server's !close the client repeats its ack until !closed.", cloRepeatAck),
		over("all", "clo/ping-along", "CLO-04",
			"With the ack of the server's !close the client pings: nothing else would show that the attachment has "+
				"died.",
			cloPingAlong),
		over("all", "clo/mine", "CLO-01 CLO-05",
			"The client's !close is the last line of its log; everything before it arrives, and every fate is "+
				"delivered.", cloMine),
		over("all", "clo/fates", "CLO-05",
			"At the end the client reports what became of each message: delivered up to the peer's final recv, not "+
				"delivered above it.",
			cloFates),
		over("ws poll", "clo/unknown-fate", "CLO-05 ERR-04 CLO-06",
			"Without a !closed the fate of what was not acknowledged is unknown; nothing is sent again in "+
				"another session.", cloUnknownFate),
		cloCodes(),
		errRefusals(),
		over("ws poll", "err/auth-aged", "ERR-04",
			"Credentials given in place of refused ones that could not be used at once are asked for anew when they "+
				"are refused.", errAuthAged),
		errWaits(),
		over("ws", "err/unknown-once", "ERR-04",
			"unknown ends the session only when no other attachment is open and it is repeated over more than 1 s.",
			errUnknownOnce),
		errTwice(),
		over("ws sse", "err/carrier", "ERR-01 BAT-01",
			"An undecodable batch ends the carrier and changes nothing else.", errCarrier),
	)
}

func cloAfterAll(w *world) {
	w.connect(client.Command{Hold: true})
	w.s.Enqueue("ta", "tb", `!close {"code":4123,"reason":"bye"}`)
	w.Sleep(700 * time.Millisecond)
	w.s.Do(func() {
		if w.s.Acked > 0 {
			w.s.Fault("HF1-NUM-05", "an ack although the application has taken nothing")
		}
	})
	if w.hasEvent("closed") {
		w.Fatalf("the end was reported before the messages were taken")
	}
	w.do("take")
	w.gets(soon, "HF1-CLO-01", "a", "b")
	w.s.Until(later, "HF1-CLO-04", "an ack of !close", func() bool { return w.s.Acked == 3 })
	w.s.Do(func() { w.s.End(4123, "bye") })
	if e := w.expectEnd(later, "HF1-CLO-01", 4123); !e.Remote || e.Reason != "bye" {
		w.Fatalf("the end is reported as %+v", e)
	}
}

func cloRepeatAck(w *world) {
	w.connect(client.Command{})
	w.s.Enqueue(`!close {"code":4100,"reason":""}`)
	w.s.Until(later, "HF1-CLO-04", "an ack of !close", func() bool { return w.s.Acked == 1 })
	before := w.attachment()
	w.s.Do(func() {
		w.s.Acked = 0 // as if the ack had not come
		before.Kill()
	})
	w.reattached(later, "HF1-CLO-04", "a new attachment", before)
	w.s.Until(later, "HF1-CLO-04", "the ack again", func() bool { return w.s.Acked == 1 })
	w.s.Do(func() { w.s.End(4100, "") })
	w.expectEnd(later, "HF1-CLO-04", 4100)
}

func cloPingAlong(w *world) {
	w.connect(client.Command{})
	w.hello()
	w.send("once more") // this POST waits for the answers to earlier ones, so no ping is in flight now
	w.s.Got(later, "HF1-CLO-04", "hello from the client", "once more")
	a := w.attachment()
	var before int
	w.s.Do(func() { before = a.Pinged() })
	w.s.Enqueue(`!close {"code":4100,"reason":""}`)
	w.s.Until(later, "HF1-CLO-04", "an ack of !close", func() bool { return w.s.Acked == 2 })
	w.s.Until(2*time.Second, "HF1-CLO-04", "a ping along with the ack of !close", func() bool {
		return a.Pinged() > before
	})
	w.s.Do(func() { w.s.End(4100, "") })
	w.expectEnd(later, "HF1-CLO-04", 4100)
}

func cloMine(w *world) {
	w.connect(client.Command{})
	w.send("a", "b")
	_ = w.c.Do(client.Command{Do: "close", Code: 4107, Reason: "enough"})
	w.send("too late")
	w.s.Until(later, "HF1-CLO-01", "!close", func() bool { return w.s.Closing })
	w.s.Got(soon, "HF1-CLO-01", "a", "b")
	e := w.event(later, "HF1-CLO-05", "the end", "closed")
	if e.Delivered < 2 || !e.Exact {
		w.Break("HF1-CLO-05", "the server has taken both messages, but the client reports %+v", e)
	}
}

func cloFates(w *world) {
	w.connect(client.Command{})
	w.s.Do(func() { w.s.Holds = func() bool { return true } })
	w.send("a", "b", "c")
	w.s.Got(later, "HF1-CLO-05", "a", "b", "c")
	w.s.Do(func() {
		w.s.Taken = 1
		w.s.End(4200, "drains")
	})
	if w.transport == script.LongPoll || w.transport == script.SSE {
		w.s.Nudge()
	}
	if e := w.expectEnd(later, "HF1-CLO-05", 4200); e.Delivered != 1 || !e.Exact {
		w.Break("HF1-CLO-05", "the final recv is 1, but the client reports delivered %d, exact %v", e.Delivered,
			e.Exact)
	}
}

func cloUnknownFate(w *world) {
	w.connect(client.Command{})
	w.s.Do(func() { w.s.Holds = func() bool { return true } })
	w.send("a")
	w.s.Got(later, "HF1-CLO-05", "a")
	w.refuseAll(`!refused {"reason":"unknown"}`)
	if e := w.expectEnd(20*time.Second, "HF1-ERR-04", 4204); e.Delivered != 0 || e.Exact {
		w.Break("HF1-CLO-05", "nobody can know, but the client reports delivered %d, exact %v", e.Delivered, e.Exact)
	}
	var n int
	w.s.Do(func() { n = len(w.s.Requests) + w.s.Upgrades })
	w.s.Never(1500*time.Millisecond, "HF1-CLO-06", "requests after the end", func() bool {
		return len(w.s.Requests)+w.s.Upgrades > n
	})
}

// cloCodes makes a case for each close code.
func cloCodes() (out suite.Set) {
	for _, code := range []int{1000, 1001, 1006, 1008, 4001, 4100, 4204, 4302} {
		out = append(out, over("ws", "clo/code-"+strconv.Itoa(code), "CLO-02",
			"A bare WebSocket close code ends no session.", func(w *world) {
				w.connect(client.Command{})
				w.s.Do(func() {
					if code == 1006 {
						w.s.Live("").Kill()
					} else {
						w.s.Live("").CloseWith(code)
					}
				})
				w.stillWorks(nil, nil)
			})...)
	}
	return out
}

// errRefusals makes a case for each reason that ends the session.
func errRefusals() (out suite.Set) {
	for reason, code := range map[string]int{"origin": 4306, "policy": 4306, "version": 4305, "auth": 4301} {
		out = append(out, over("ws sse poll", "err/"+reason, "ERR-04",
			"A refusal has the effect that the table of section 13 gives.", func(w *world) {
				w.refuseAll(`!refused {"reason":"` + reason + `","v":[2]}`)
				w.start(client.Command{Auth: raw("token")})
				w.expectEnd(later, "HF1-ERR-04", code)
				w.s.Do(func() {
					if n := w.s.Refusals; (reason == "auth") != (n > 1) || n > 2 {
						w.s.Fault("HF1-ERR-04", "%d attempts, refused for %s", n, reason)
					}
				})
				w.s.Do(nil)
			})...)
	}
	return out
}

// errAuthAged: the network is away between the first refusal and the second.
func errAuthAged(w *world) {
	const line = `!refused {"reason":"auth"}`
	refusals, failed := 0, 0
	decide := func() (status int, refuse bool) {
		switch {
		case refusals == 0, refusals == 1 && failed > 0:
			refusals++
			return 0, true
		case refusals == 1:
			failed++
			return http.StatusServiceUnavailable, false
		}
		return 0, false
	}
	w.s.Upgrade = func(int, *http.Request) int {
		status, refuse := decide()
		w.s.Refuse = ""
		if refuse {
			w.s.Refuse = line
		}
		return status
	}
	w.s.Request = func(*script.Request) *script.Reply {
		switch status, refuse := decide(); {
		case refuse:
			return &script.Reply{Batch: "@1 0\n" + line + "\n"}
		case status != 0:
			return &script.Reply{Status: status}
		}
		return nil
	}
	w.start(client.Command{Auth: raw("token")})
	w.event(later, "HF1-ERR-04", "the application is asked again, and the client is open", "open")
}

// errWaits makes a case for each reason after which the client tries again.
func errWaits() (out suite.Set) {
	for _, reason := range []string{"busy", "draining", "other"} {
		out = append(out, over("ws poll", "err/"+reason, "ERR-04",
			"busy and draining: the client waits at least for retry, and tries again; any other reason counts as "+
				"busy with 5 s.", func(w *world) {
				line, least := `!refused {"reason":"`+reason+`","retry":2500}`, 2400*time.Millisecond
				if reason == "other" {
					line, least = `!refused {"reason":"whatever"}`, 4900*time.Millisecond
				}
				w.refuseAll(line)
				w.start(client.Command{})
				w.s.Until(later, "HF1-ERR-04", "an attempt", func() bool { return w.s.Refusals > 0 })
				start := time.Now()
				w.s.Until(15*time.Second, "HF1-ERR-04", "another attempt", func() bool { return w.s.Refusals > 1 })
				if d := time.Since(start); d < least {
					w.Fatalf("the next attempt came after %s, at least %s are due", d, least)
				}
				w.refuseAll("")
				w.event(30*time.Second, "HF1-ERR-04", "the client is open", "open")
			})...)
	}
	return out
}

func errUnknownOnce(w *world) {
	w.connect(client.Command{})
	w.hello()
	before := w.attachment()
	w.refuseAll(`!refused {"reason":"unknown"}`)
	w.s.Do(before.Kill)
	w.s.Until(later, "HF1-ERR-04", "an attempt", func() bool { return w.s.Refusals > 0 })
	w.refuseAll("")
	w.stillWorks([]string{"hello from the client"}, []string{"hello from the server"})
}

// errTwice makes a case for each protocol error.
func errTwice() (out suite.Set) {
	for what, c := range map[string]struct {
		old, new string
		code     int
	}{"malformed": {`"sel":{`, `"sel":0,"x":{`, 4303}, "position": {`"recv":0`, `"recv":9`, 4302}} {
		out = append(out, several("err/twice-"+what, "ERR-02",
			"The same protocol error on attachments of two transports in a row ends the session with its code.",
			func(w *world) {
				alter := func(batch string) string { return strings.Replace(batch, c.old, c.new, 1) }
				w.s.Send = func(_ *script.Attachment, batch string) []string { return []string{alter(batch)} }
				w.s.Alter = func(_ *script.Request, r *script.Reply) { r.Batch = alter(r.Batch) }
				w.start(client.Command{Transports: both})
				w.expectEnd(20*time.Second, "HF1-ERR-02", c.code)
			})...)
	}
	return out
}

func errCarrier(w *world) {
	w.connect(client.Command{})
	before := w.attachment()
	w.s.Do(func() { before.Raw("@1 0\n!reply {\"recv\":0}\n") })
	w.reattached(later, "HF1-ERR-01", "a new attachment", before)
	w.stillWorks(nil, nil)
}

// refuseAll lets the server refuse everything with that line; "" ends it.
func (w *world) refuseAll(line string) {
	w.s.Do(func() {
		w.s.Refuse = line
		if line == "" {
			return
		}
		for _, p := range w.s.Attachments {
			if p.Alive {
				p.Kill()
			}
		}
	})
}
