package cases

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

// webCases are about HTTP and WebSocket, and what a client must not conclude from them.
func webCases() suite.Set {
	return slices.Concat(
		httpStatuses(),
		httpUpgrades(),
		over("sse poll", "http/redirect", "HTTP-08 HTTP-04",
			"No redirect is followed.", httpRedirect),
		over("all", "http/simple", "HTTP-06 HTTP-01",
			"No preflight, no custom header, no secret in a URL; a fresh nonce for every request.", httpSimple),
		over("sse", "http/stream-nonce", "HTTP-01",
			"A stream whose first event repeats another nonce is a fault of the carrier.", httpStreamNonce),
		over("ws", "wsk/first", "WSK-01 WSK-02",
			"The client sends first, an !open batch, and uses no extension that was not negotiated.", wskFirst),
		over("all", "who/key", "WHO-01 CLO-06",
			"Each session has a fresh key of 32 bytes.", whoKey),
		over("all", "who/run", "WHO-03",
			"The run is repeated in every later !open, !poll and !up.", whoRun),
		over("ws sse poll", "who/other-run", "WHO-06",
			"An opened that shows another run than the known one is a fault of that attachment.", whoOtherRun),
		over("all", "who/repeats", "WHO-10",
			"At least one packet goes out once opened was read, so that the session is not dropped.", whoRepeats),
		several("who/no-logs", "WHO-12",
			"No key, no token and no payload is logged.", whoNoLogs),
		over("all", "att/rising", "ATT-01",
			"Attachments are numbered from 1, rising; a number serves one attachment only.", attRising),
	)
}

// httpStatuses makes a case for each answer that is not the protocol's.
func httpStatuses() (out suite.Set) {
	for what, r := range map[string]*script.Reply{
		"404": {Status: 404, Body: "no"}, "500": {Status: 500, Body: "no"}, "403": {Status: 403, Body: "no"},
		"410": {Status: 410, Body: "gone"},
		"204": {Status: 204}, "reset": {Abort: true}, "cut": {Body: "holdfast/1 up AAAA", Abort: true},
		"portal": {
			Body: "<!doctype html><title>Sign in</title>", Header: map[string]string{"Content-Type": "text/html"},
		},
	} {
		out = append(out, over("sse poll", "http/status-"+what, "HTTP-04 CLO-02",
			"A status but 200, a page or a reset is a fault of the carrier and says nothing about the session.",
			func(w *world) {
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
				w.s.Enqueue("tdown")
				w.gets(3*later, "HF1-HTTP-04", "down")
				w.s.Got(3*later, "HF1-HTTP-04", "up")
				w.stillWorks([]string{"up"}, []string{"down"})
			})...)
	}
	return out
}

// httpUpgrades makes a case for each answer to an upgrade that is not 101.
func httpUpgrades() (out suite.Set) {
	for what, status := range map[string]int{"404": 404, "503": 503, "200": 200} {
		out = append(out, over("ws", "http/upgrade-"+what, "HTTP-04 CLO-02",
			"A refused upgrade is a fault of the carrier and says nothing about the session.", func(w *world) {
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
				w.stillWorks(nil, nil)
			})...)
	}
	return out
}

func httpRedirect(w *world) {
	n := 0
	w.s.Request = func(*script.Request) *script.Reply {
		if n++; n%2 == 1 && n < 6 {
			return &script.Reply{Status: []int{307, 302, 308}[n/2], Header: map[string]string{"Location": "/trap"}}
		}
		return nil
	}
	w.connect(client.Command{})
	w.stillWorks(nil, nil)
}

func httpSimple(w *world) {
	w.connect(client.Command{Auth: raw("token-tttt"), Meta: raw(map[string]string{"room": "rrrr"})})
	w.hello()
	w.s.Do(func() {
		if len(w.s.Auths) == 0 || w.s.Auths[0] != `"token-tttt"` {
			w.s.Fault("HF1-HTTP-06", "auth came as %v", w.s.Auths)
		}
		w.s.Live("").Kill()
	})
	w.stillWorks([]string{"hello from the client"}, []string{"hello from the server"})
}

func httpStreamNonce(w *world) {
	n := 0
	w.s.Request = func(q *script.Request) *script.Reply {
		if q.Kind == "stream" {
			if n++; n == 1 {
				return &script.Reply{
					Header: map[string]string{"Content-Type": "text/event-stream"}, Abort: true,
					Body: ":" + strings.Repeat(" ", 2048) +
						"\n\ndata:holdfast/1 stream AAAAAAAAAAAAAAAAAAAA\ndata:@1 0\ndata:!closed " +
						"{\"code\":4100,\"reason\":\"\",\"recv\":0,\"ack\":0}\ndata:.\n\n",
				}
			}
		}
		return nil
	}
	w.connect(client.Command{})
	w.stillWorks(nil, nil)
}

func wskFirst(w *world) {
	w.connect(client.Command{})
	w.send(strings.Repeat("compressible ", 500))
	w.s.Got(later, "HF1-WSK-02", strings.Repeat("compressible ", 500))
}

func whoKey(w *world) {
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
}

func whoRun(w *world) {
	w.connect(client.Command{})
	w.hello()
	w.Sleep(3100 * time.Millisecond) // until then an !open without run may come that took part in the race
	for range 2 {
		before := w.attachment()
		w.s.Do(before.Kill)
		w.reattached(later, "HF1-WHO-03", "a new attachment", before)
		w.s.Until(later, "HF1-WHO-03", "an open attachment", func() bool { return w.s.Live("") != nil })
	}
	w.stillWorks([]string{"hello from the client"}, []string{"hello from the server"})
}

func whoOtherRun(w *world) {
	w.connect(client.Command{})
	w.hello()
	shown := 0
	wrong := func(batch string) string {
		if !strings.Contains(batch, "!opened") || shown > 1 {
			return batch
		}
		shown++
		return "@1 1\n" + strings.Replace(strings.SplitN(batch, "\n", 2)[1], w.s.Run, strings.Repeat("x", 20), 1) +
			"tdecoy\ntdecoy\n"
	}
	w.s.Do(func() {
		w.s.Send = func(_ *script.Attachment, batch string) []string { return []string{wrong(batch)} }
		w.s.Alter = func(_ *script.Request, r *script.Reply) { r.Batch = wrong(r.Batch) }
		w.s.Live("").Kill()
	})
	w.stillWorks([]string{"hello from the client"}, []string{"hello from the server"})
	w.s.Do(func() {
		if shown < 2 {
			w.s.Fault("HF1-WHO-06", "the client accepted the opened of another run")
		}
	})
	w.s.Do(nil)
}

func whoRepeats(w *world) {
	w.connect(client.Command{})
	w.s.Until(2*time.Second, "HF1-WHO-10", "a packet after opened", func() bool { return w.s.Confirmed })
}

func whoNoLogs(w *world) {
	w.connect(client.Command{Transports: w.target.Transports, Auth: raw("token-73c1e0"), Meta: raw("meta-73c1e0")})
	w.send("payload-73c1e0")
	w.s.Got(later, "HF1-WHO-12", "payload-73c1e0")
	w.s.Do(func() {
		w.s.Live("").Raw("@1 0\nxpayload-73c1e0\n") // an error that the client may log
	})
	w.Sleep(300 * time.Millisecond)
	var key string
	w.s.Do(func() { key = w.s.Key })
	output := w.target.Output()
	for what, secret := range map[string]string{"key": key, "token": "token-73c1e0", "payload": "payload-73c1e0"} {
		if strings.Contains(output, secret) {
			w.Fatalf("the client logs the session's %s", what)
		}
	}
}

func attRising(w *world) {
	w.connect(client.Command{})
	for range 3 {
		w.s.Do(func() { w.s.Live("").Kill() })
		w.s.Until(later, "HF1-ATT-01", "an open attachment", func() bool { return w.s.Live("") != nil })
	}
	w.s.Do(func() {
		var last uint64
		for _, p := range w.s.Attachments {
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
}
