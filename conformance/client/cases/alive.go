package cases

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// aliveCases are about section 10. They use the times of the protocol, with room for a busy
// machine.
func aliveCases() suite.Set {
	return slices.Concat(
		over("ws sse", "liv/pong", "LIV-02",
			"!ping is answered by !pong: on a WebSocket there, to a stream's by up.", livPong),
		over("ws", "liv/stall", "LIV-04",
			"With lines outstanding and no progress of the ack for max(2 s, 4 RTT) the client pings; no pong for "+
				"as long again: it opens another attachment.", livStall),
		over("ws sse", "liv/silent", "LIV-05",
			"An attachment that is silent for longer than the server promised gets another one beside it.", livSilent),
		over("sse", "liv/contradicted", "LIV-05",
			"An attachment that a !reply contradicts (sent above what came) gets another one beside it.",
			livContradicted),
		over("ws", "liv/attach-deadline", "LIV-06",
			"An attempt that is not answered by opened within 10 s is given up.", livAttachDeadline),
		several("liv/frozen", "LIV-07",
			"Deadlines are judged by wall clock: after a sleep of the process a broken attachment is found at once.",
			livFrozen),
		over("ws", "liv/at-once", "LIV-12",
			"After the first visible cut the client reconnects at once.", livAtOnce),
		over("ws", "liv/backoff", "LIV-12",
			"Later attempts come after a random time in 0 … min(30 s, 0.5 s × 2^n).", livBackoff),
	)
}

func livPong(w *world) {
	w.connect(client.Command{})
	var p *script.Attachment
	w.s.Do(func() {
		p = w.s.Live("")
		p.Control(`!ping {"i":4711}`)
	})
	w.s.Until(soon, "HF1-LIV-02", "!pong", func() bool { return p.Pongs > 0 })
}

func livStall(w *world) {
	var first *script.Attachment
	pinged := 0
	w.s.Lossy = true
	w.s.Frame = func(p *script.Attachment, b *wire.Batch) bool {
		if first == nil || p != first {
			return true
		}
		if b.Find("!ping") != nil {
			pinged++
		}
		return false // nothing reaches the server any more
	}
	w.connect(client.Command{})
	w.s.Until(soon, "HF1-WHO-10", "a packet after opened", func() bool { return w.s.Confirmed })
	w.s.Do(func() { first = w.s.Live("") })
	start := time.Now()
	w.send("stalled")
	w.s.Until(12*time.Second, "HF1-LIV-04", "another attachment", func() bool { return len(w.s.Attachments) > 1 })
	w.s.Do(func() {
		if pinged == 0 {
			w.s.Fault("HF1-LIV-04", "the client has not pinged before it opened another attachment")
		}
		if d := time.Since(start); d < 3*time.Second {
			w.s.Fault("HF1-LIV-04", "the client opened another attachment after %s, not after 4 s", d)
		}
	})
	w.s.Got(later, "HF1-LIV-04", "stalled")
}

func livSilent(w *world) {
	w.s.Silent = true
	w.connect(client.Command{})
	w.hello()
	w.s.Until(12*time.Second, "HF1-LIV-05", "another attachment", func() bool { return len(w.s.Attachments) > 1 })
}

func livContradicted(w *world) {
	var first *script.Attachment
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if first == nil {
			first = p
		}
		if p == first && strings.Contains(batch, "\ntdown") {
			return nil // the stream lost the line, and its pings do not show that
		}
		if p == first && w.s.Sent > 0 && !strings.Contains(batch, "!opened") {
			_, rest, _ := strings.Cut(batch, "\n")
			return []string{"@1 0\n" + rest}
		}
		return []string{batch}
	}
	w.connect(client.Command{})
	w.Sleep(500 * time.Millisecond)
	w.s.Enqueue("tdown")
	w.send("asks")
	w.s.Until(12*time.Second, "HF1-LIV-05", "another attachment", func() bool { return len(w.s.Attachments) > 1 })
	w.gets(later, "HF1-LIV-05", "down")
}

func livAttachDeadline(w *world) {
	w.s.Upgrade = func(n int, _ *http.Request) int {
		if n == 1 {
			return -1
		}
		return 0
	}
	w.start(client.Command{})
	w.event(20*time.Second, "HF1-LIV-06", "the client is open after an upgrade that was never answered", "open")
}

func livAtOnce(w *world) {
	w.connect(client.Command{})
	w.hello()
	before := w.attachment()
	w.s.Do(before.Kill)
	w.reattached(2500*time.Millisecond, "HF1-LIV-12", "a new attachment", before)
}

func livBackoff(w *world) {
	refuse := false
	w.s.Upgrade = func(int, *http.Request) int {
		if refuse {
			return 503
		}
		return 0
	}
	w.connect(client.Command{})
	var n int
	w.s.Do(func() {
		refuse, n = true, w.s.Upgrades
		w.s.Live("").Kill()
	})
	w.Sleep(12 * time.Second)
	w.s.Do(func() {
		if more := w.s.Upgrades - n; more > 14 {
			w.s.Fault("HF1-LIV-12", "%d attempts in 12 s", more)
		} else if more < 2 {
			w.s.Fault("HF1-LIV-12", "%d attempts in 12 s", more)
		}
		refuse = false
	})
	w.s.Do(nil)
}

// livFrozen stops the processes of the client while the server dies, so it needs its own adapter.
func livFrozen(w *world) {
	p, err := w.target.StartAnother(w.Context())
	if err != nil {
		w.Fatalf("the adapter did not start: %v", err)
	}
	w.Cleanup(p.Stop)
	w.target = &client.Target{Process: p}
	transport := script.WebSocket
	if !w.target.Has(transport) {
		transport = p.Transports[0]
	}
	w.connect(client.Command{Transports: []string{transport}})
	w.hello()
	p.Signal(syscall.SIGSTOP)
	w.Cleanup(func() { p.Signal(syscall.SIGCONT) })
	var dead *script.Attachment
	w.s.Do(func() {
		dead = w.s.Live("")
		w.s.Silent = true
		w.s.Lossy = true
		w.s.Frame = func(p *script.Attachment, _ *wire.Batch) bool { return p != dead }
	})
	w.Sleep(9 * time.Second)
	p.Signal(syscall.SIGCONT)
	w.reattached(5*time.Second, "HF1-LIV-07", "another attachment than the one that died meanwhile", dead)
}
