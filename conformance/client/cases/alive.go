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

// aliveCases: section 10. Their times are the protocol's, with room for a busy machine above.
func aliveCases() suite.Set {
	return slices.Concat(
		over("ws sse", "liv/pong", "LIV-02",
			"!ping is answered by !pong: on a WebSocket there, to a stream's by up.", livPong),
		over("ws", "liv/stall", "LIV-04",
			"With lines outstanding and no progress of the ack for max(2 s, 4 RTT) the client pings; no pong for "+
				"as long again: it attaches beside.", livStall),
		over("ws sse", "liv/silent", "LIV-05",
			"A path that is silent for longer than the server promised is joined by another.", livSilent),
		over("sse", "liv/contradicted", "LIV-05",
			"A path that a !reply contradicts (sent above what came) is joined by another.", livContradicted),
		over("ws", "liv/attach-deadline", "LIV-06",
			"An attach that is not opened within 10 s is given up.", livAttachDeadline),
		several("liv/frozen", "LIV-07",
			"Deadlines are judged by wall clock: after a sleep of the process a dead path is found at once.",
			livFrozen),
		over("ws", "liv/at-once", "LIV-12",
			"After the first visible cut the client reconnects at once.", livAtOnce),
		over("ws", "liv/backoff", "LIV-12",
			"Later attempts come after a random time in 0 … min(30 s, 0.5 s × 2^n).", livBackoff),
	)
}

func livPong(w *world) {
	w.connect(client.Command{})
	var p *script.Path
	w.s.Do(func() {
		p = w.s.Live("")
		p.Control(`!ping {"i":4711}`)
	})
	w.s.Until(soon, "HF1-LIV-02", "!pong", func() bool { return p.Pongs > 0 })
}

func livStall(w *world) {
	var first *script.Path
	pinged := 0
	w.s.Lossy = true
	w.s.Frame = func(p *script.Path, b *wire.Batch) bool {
		if first == nil || p != first {
			return true
		}
		if b.Find("!ping") != nil {
			pinged++
		}
		return false // the way up is dead
	}
	w.connect(client.Command{})
	w.s.Until(soon, "HF1-WHO-10", "a packet after opened", func() bool { return w.s.Repeated })
	w.s.Do(func() { first = w.s.Live("") })
	began := time.Now()
	w.send("stalled")
	w.s.Until(12*time.Second, "HF1-LIV-04", "an attachment beside", func() bool { return len(w.s.Paths) > 1 })
	w.s.Do(func() {
		if pinged == 0 {
			w.s.Fault("HF1-LIV-04", "the client has not asked by a ping before it attached beside")
		}
		if d := time.Since(began); d < 3*time.Second {
			w.s.Fault("HF1-LIV-04", "the client attached beside after %s, 4 s are due", d)
		}
	})
	w.s.Got(later, "HF1-LIV-04", "stalled")
}

func livSilent(w *world) {
	w.s.Silent = true
	w.connect(client.Command{})
	w.hello()
	w.s.Until(12*time.Second, "HF1-LIV-05", "an attachment beside", func() bool { return len(w.s.Paths) > 1 })
}

func livContradicted(w *world) {
	var first *script.Path
	w.s.Send = func(p *script.Path, batch string) []string {
		if first == nil {
			first = p
		}
		if p == first && strings.Contains(batch, "\ntdown") {
			return nil // the stream has lost it, and goes on with pings that tell nothing
		}
		if p == first && w.s.Sent > 0 && !strings.Contains(batch, "!opened") {
			_, rest, _ := strings.Cut(batch, "\n")
			return []string{"@1 0\n" + rest}
		}
		return []string{batch}
	}
	w.connect(client.Command{})
	w.Sleep(500 * time.Millisecond)
	w.s.Say("tdown")
	w.send("asks")
	w.s.Until(12*time.Second, "HF1-LIV-05", "an attachment beside", func() bool { return len(w.s.Paths) > 1 })
	w.gets(later, "HF1-LIV-05", "down")
}

func livAttachDeadline(w *world) {
	w.s.Upgrade = func(n int, _ *http.Request) int {
		if n == 1 {
			return -1
		}
		return 0
	}
	w.begin(client.Command{})
	w.event(20*time.Second, "HF1-LIV-06", "the client is open after an upgrade that was never answered", "open")
}

func livAtOnce(w *world) {
	w.connect(client.Command{})
	w.hello()
	before := w.path()
	w.s.Do(before.Kill)
	w.again(2500*time.Millisecond, "HF1-LIV-12", "a new attachment", before)
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

// livFrozen stops the client's processes while the server dies, so it has an adapter of its own.
func livFrozen(w *world) {
	p, err := w.target.Another(w.Context())
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
	var dead *script.Path
	w.s.Do(func() {
		dead = w.s.Live("")
		w.s.Silent = true
		w.s.Lossy = true
		w.s.Frame = func(p *script.Path, _ *wire.Batch) bool { return p != dead }
	})
	w.Sleep(9 * time.Second)
	p.Signal(syscall.SIGCONT)
	w.again(5*time.Second, "HF1-LIV-07", "an attachment beside the path that died meanwhile", dead)
}
