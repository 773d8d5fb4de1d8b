package cases

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// awkwardText is text that is hard to encode.
const awkwardText = "back\\slash\nline\r\n\x00\x01\ufeff\u0085\u2028\u2029\U0001f600 \\n\\\\ end"

// sendingCases are about what the client writes. The server parses everything strictly; these cases
// make the client write it.
func sendingCases() suite.Set {
	return slices.Concat(
		over("all", "bat/sends-text", "BAT-02 BAT-01",
			"Text is sent with \\, LF and CR escaped and nothing else.", batSendsText),
		over("ws poll", "bat/sends-binary", "BAT-03 BAT-14",
			"Binary messages arrive as they are.", batSendsBinary),
		over("ws poll", "bat/splits", "BAT-08 BAT-09",
			"No line that is sent is longer than 1,536 bytes; a larger message goes in pieces.", batSplits),
		over("ws poll", "bat/malformed-text", "BAT-07",
			"Text that is not well-formed Unicode is refused instead of being altered.", batMalformedText),
		over("ws sse poll", "bat/too-large", "BAT-05",
			"A batch above the maxBatch that the client has advertised is refused.", batTooLarge),
		over("ws", "bat/binary-form", "BAT-14",
			"The binary form is taken on a WebSocket, a piece with its +, and binary lines of the text form too.",
			batBinaryForm),
		over("ws", "bat/binary-form-wrong", "BAT-14 BAT-06",
			"The head of a binary form has neither BOM nor CR; one that has is an error of the batch.",
			batBinaryFormWrong),
		over("ws sse poll", "att/max-batch", "ATT-06",
			"No batch is sent above the maxBatch that the server stated.", attMaxBatch),
		over("ws", "att/halves", "ATT-07",
			"An attachment that died with a batch in flight is given batches of at most half its size.", attHalves),
		over("all", "att/early", "ATT-08",
			"Early messages are only in an open without run, 4 KiB of them at most; the others follow.", attEarly),
		over("ws poll", "num/window", "NUM-10",
			"At most win bytes are unacknowledged; what is above waits.", numWindow),
		over("ws poll", "num/overrun", "NUM-10",
			"A client ends a session whose server overruns the window, 4304, and not before.", numOverrun),
		over("ws", "num/max-message", "NUM-10",
			"A message above maxMessage is refused.", numMaxMessage),
	)
}

func batSendsText(w *world) {
	w.connect(client.Command{})
	w.send(awkwardText, "", "plain")
	w.s.Got(later, "HF1-BAT-02", awkwardText, "", "plain")
}

func batSendsBinary(w *world) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	w.connect(client.Command{})
	w.sendBinary(string(all))
	w.sendBinary("")
	w.sendBinary("\n")
	w.s.Got(later, "HF1-BAT-03", string(all), "", "\n")
	w.s.Do(func() {
		for _, m := range w.s.Messages {
			if !m.Binary {
				w.s.Fault("HF1-BAT-03", "a binary message has arrived as text")
			}
		}
	})
	w.s.Do(nil)
}

func batSplits(w *world) {
	texts := []string{
		strings.Repeat("é", 5000), strings.Repeat("\\", 3000), "x" + strings.Repeat("\U0001f600", 1200),
		strings.Repeat("a", 1534),
	}
	w.connect(client.Command{})
	w.send(texts...)
	w.sendBinary(strings.Repeat("\xff\n", 4000))
	w.s.Got(later, "HF1-BAT-08", append(texts, strings.Repeat("\xff\n", 4000))...)
}

func batMalformedText(w *world) {
	w.connect(client.Command{})
	_ = w.c.Do(client.Command{Do: "send", Malformed: true})
	w.event(soon, "HF1-BAT-07", "the message is refused", "refused")
	w.send("after")
	w.s.Got(later, "HF1-BAT-07", "after")
}

func batTooLarge(w *world) {
	large := "@1 0\n" + strings.Repeat("tdecoy"+strings.Repeat("x", 90)+"\n", 40)
	c := batchCase{Refuse: large}
	w.connect(client.Command{MaxBatch: 2048})
	w.s.Do(func() {
		if p := w.s.Live(""); p.Lim != 2048 {
			w.s.Fault("HF1-BAT-05", "the client states a maxBatch of %d, the case asked for 2048", p.Lim)
		}
	})
	c.replaceFirst(w, large)
	w.s.Enqueue("tfirst", "tsecond")
	w.gets(later, "HF1-BAT-05", "first", "second")
}

func batBinaryForm(w *world) {
	w.connect(client.Command{})
	replaced := false
	w.s.Do(func() {
		w.s.Send = func(p *script.Attachment, batch string) []string {
			if replaced || !strings.Contains(batch, "\ntfirst") {
				return []string{batch}
			}
			replaced = true
			p.Binary([]byte("@1 0\nraw\n\x00\xff"))
			p.Binary([]byte("@2 0 mark-1 +\nhalf "))
			p.Binary([]byte("@3 0\nwhole"))
			return []string{"@4 0\nbSGk=\n"}
		}
	})
	w.s.Enqueue("tfirst", "tfirst", "tfirst", "tfirst")
	w.gets(later, "HF1-BAT-14", "binary raw\n\x00\xff", "binary half whole", "binary Hi")
}

func batBinaryFormWrong(w *world) {
	w.connect(client.Command{})
	before := w.attachment()
	replaced := false
	w.s.Do(func() {
		w.s.Send = func(p *script.Attachment, batch string) []string {
			if replaced || !strings.Contains(batch, "\ntfirst") {
				return []string{batch}
			}
			replaced = true
			p.Binary([]byte("\ufeff@1 0\r\ndecoy"))
			return nil
		}
	})
	w.s.Enqueue("tfirst")
	w.gets(later, "HF1-BAT-06", "first")
	w.reattached(later, "HF1-ERR-01", "a new attachment after an undecodable frame", before)
}

func attMaxBatch(w *world) {
	w.s.MaxBatch = 2048
	texts := numbered("batch", 40, 400)
	w.connect(client.Command{})
	w.send(texts...)
	w.s.Got(2*later, "HF1-ATT-06", texts...)
}

func attHalves(w *world) {
	var size, largest int
	var killed *script.Attachment
	w.s.Lossy = true
	w.s.Frame = func(p *script.Attachment, b *wire.Batch) bool {
		if size == 0 && b.Size > 8000 {
			size, killed = b.Size, p
			p.Kill()
		}
		if p != killed && size > 0 {
			largest = max(largest, b.Size)
		}
		return size == 0 || p != killed
	}
	w.connect(client.Command{})
	texts := []string{strings.Repeat("half ", 5000), "after"}
	w.send(texts...)
	w.s.Got(2*later, "HF1-ATT-07", texts...)
	w.s.Do(func() {
		if size == 0 || largest > size/2 {
			w.s.Fault("HF1-ATT-07", "a batch of %d bytes after one of %d had died", largest, size)
		}
	})
	w.s.Do(nil)
}

func attEarly(w *world) {
	// The first attempt fails, so that everything waits for the next.
	texts, refuse := numbered("early", 12, 1000), true
	w.s.Upgrade = func(int, *http.Request) int {
		if refuse {
			return 503
		}
		return 0
	}
	w.s.Request = func(*script.Request) *script.Reply {
		if refuse {
			return &script.Reply{Status: 503}
		}
		return nil
	}
	w.start(client.Command{})
	w.send(texts...)
	w.Sleep(500 * time.Millisecond)
	w.s.Do(func() { refuse = false })
	w.s.Got(2*later, "HF1-ATT-08", texts...)
}

func numWindow(w *world) {
	release := false
	w.s.MaxMessage, w.s.Win = 1024, 1024+16*8
	w.s.Holds = func() bool { return !release }
	w.connect(client.Command{})
	texts := numbered("window", 12, 300)
	w.send(texts...)
	w.s.Never(time.Second, "HF1-NUM-10", "everything was sent although nothing was acknowledged", func() bool {
		return len(w.s.Messages) > 4
	})
	w.s.Do(func() { release = true })
	w.s.Nudge()
	w.s.Got(2*later, "HF1-NUM-10", texts...)
}

// numOverrun: the largest message that a client takes is not known here, but no server may be set
// above 16 MiB.
func numOverrun(w *world) {
	w.s.Win = 64 << 10
	w.connect(client.Command{Hold: true})
	text := strings.Repeat("x", 1<<10)
	within := make([]string, w.s.Win/(len(text)+16))
	for i := range within {
		within[i] = "t" + text
	}
	w.s.Enqueue(within...)
	w.s.Never(time.Second, "HF1-NUM-10", "the session was ended within its window", func() bool {
		return w.hasEvent("closed")
	})
	over := make([]string, 1<<10)
	for i := range over {
		over[i] = "t" + text
	}
	for sent := 0; sent < 20<<10 && !w.hasEvent("closed"); sent += len(over) {
		w.s.Enqueue(over...)
		w.Sleep(20 * time.Millisecond)
	}
	w.expectEnd(later, "HF1-NUM-10", 4304)
}

func numMaxMessage(w *world) {
	w.s.MaxMessage = 2000
	w.connect(client.Command{})
	w.send(strings.Repeat("x", 2001))
	w.event(soon, "HF1-NUM-10", "the message is refused", "refused")
	w.send(strings.Repeat("y", 2000))
	w.s.Got(later, "HF1-NUM-10", strings.Repeat("y", 2000))
}

// numbered makes n texts of so many bytes.
func numbered(what string, n, size int) []string {
	out := make([]string, n)
	for i := range out {
		s := what + " " + string(rune('a'+i%26)) + strings.Repeat("0123456789", size/10+1)
		out[i] = s[:size]
	}
	return out
}
