package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/client/script"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/wire"
)

func numberCases() suite.Set {
	return slices.Concat(
		over("all", "num/rising", "NUM-01 NUM-02",
			"Numbers rise by one for each line, whatever carries them: a cut changes nothing.", numRising),
		over("ws sse poll", "num/old-lines", "NUM-02 NUM-03",
			"Lines whose number is not above the position are ignored; the ack and the controls of their batch count.",
			numOldLines),
		over("ws sse poll", "num/retain", "NUM-04",
			"A line is kept until the ack covers it: what was written and lost is sent again.", numRetain),
		over("ws poll", "num/drained", "NUM-04 CLO-05",
			"Only an ack says that a message was taken.", numDrained),
		over("all", "num/ack-taken", "NUM-05",
			"The ack is what the application has taken: none for what waits.", numAckTaken),
		over("ws sse poll", "num/ack-whole", "NUM-05",
			"The ack is the last line of a whole message: a piece of one is not acknowledged.", numAckWhole),
		over("ws", "num/lower-ack", "NUM-05",
			"A lower ack than the highest is ignored.", numLowerAck),
		over("ws sse", "num/gap", "NUM-06 NUM-02",
			"A first above the position plus 1: none of the lines is taken, and !rewind is sent, once per round trip.",
			numGap),
		over("ws", "num/lost-frame", "WSK-04 NUM-06",
			"The loss of any single frame of the server is survived.", numLostFrame),
		over("ws", "num/lost-opened", "WSK-04",
			"The loss of the first frame of the server is survived.", numLostOpened),
		over("ws", "num/rewind", "NUM-07 WSK-04",
			"On !rewind the client goes on, on that attachment, from the position stated: frames of its own may get "+
				"lost.",
			numRewind),
		over("ws", "num/low-position", "NUM-08",
			"A position is never below the highest ack known: a low recv is no error, and nothing that was "+
				"acknowledged is sent again.", numLowPosition),
		over("ws sse poll", "num/beyond", "NUM-09 ERR-01",
			"An ack above the highest number ever sent is refused and changes nothing.", numBeyond),
		over("ws", "num/beyond-opened", "NUM-09",
			"A recv above the highest number ever sent is refused and changes nothing.", numBeyondOpened),
		over("all", "num/ack-alone", "NUM-11",
			"An ack goes out on its own after a short delay.", numAckAlone),
	)
}

func numRising(w *world) {
	w.connect(client.Command{})
	var up, down []string
	for round := range 3 {
		for i := range 4 {
			up, down = append(up, fmt.Sprint("up ", round, i)), append(down, fmt.Sprint("down ", round, i))
		}
		w.s.Enqueue("t"+down[len(down)-4], "t"+down[len(down)-3], "t"+down[len(down)-2], "t"+down[len(down)-1])
		w.send(up[len(up)-4:]...)
		w.gets(2*later, "HF1-NUM-02", down...)
		w.s.Got(2*later, "HF1-NUM-01", up...)
		w.s.Do(func() {
			if p := w.s.Live(""); p != nil && round < 2 {
				p.Kill()
			}
		})
	}
}

func numOldLines(w *world) {
	w.connect(client.Command{})
	w.s.Enqueue("tone", "ttwo")
	w.gets(later, "HF1-NUM-02", "one", "two")
	w.s.Holds = func() bool { return true }
	w.send("from the client")
	w.s.Got(later, "HF1-NUM-03", "from the client")
	w.do("drained")
	again := "@1 1\ntone\nttwo\n!ping {\"i\":77}\ntthree\n"
	w.s.Do(func() {
		w.s.Send = func(p *script.Attachment, batch string) []string {
			if strings.Contains(batch, "\ntthree") {
				return []string{again}
			}
			return []string{batch}
		}
		w.s.Alter = func(q *script.Request, r *script.Reply) {
			if strings.Contains(r.Batch, "\ntthree") {
				r.Batch = "@1 1\n" + w.s.ReplyLine() + strings.TrimPrefix(again, "@1 1")
			}
		}
	})
	w.s.Enqueue("tthree")
	w.gets(later, "HF1-NUM-02", "one", "two", "three")
	w.event(soon, "HF1-NUM-03", "what was sent is acknowledged", "drained")
}

func numRetain(w *world) {
	lost := 0
	w.s.Lossy = true
	w.s.Frame = func(p *script.Attachment, b *wire.Batch) bool {
		if b.Logs() > 0 && lost == 0 {
			lost++
			p.Kill()
		}
		return p.Alive
	}
	w.s.Request = func(q *script.Request) *script.Reply {
		if (q.Kind == "up" || q.Kind == "poll") && q.Batch.Logs() > 0 && lost == 0 {
			lost++
			return &script.Reply{Batch: "@1 0\n" + w.s.ReplyLine() + "\n"} // a 200 that took nothing
		}
		return nil
	}
	w.connect(client.Command{})
	w.send("a", "b", "c")
	w.s.Got(2*later, "HF1-NUM-04", "a", "b", "c")
	w.s.Do(func() {
		if lost == 0 {
			w.s.Fault("HF1-NUM-04", "nothing was lost: the case has not seen what it is for")
		}
	})
	w.s.Do(nil)
}

func numDrained(w *world) {
	release := false
	w.s.Holds = func() bool { return !release }
	w.connect(client.Command{})
	w.send("slow")
	w.s.Got(later, "HF1-NUM-04", "slow")
	w.do("drained")
	if w.c.WaitFor(w.Context(), time.Second, func(all []client.Event) bool {
		return all[len(all)-1].Event == "drained"
	}) {
		w.Fatalf("the client holds for taken what was only received")
	}
	w.s.Do(func() { release = true })
	w.s.Nudge()
	w.event(later, "HF1-NUM-05", "the client hears of the ack", "drained")
}

func numAckTaken(w *world) {
	w.connect(client.Command{Hold: true})
	w.s.Enqueue("ta", "tb", "tc")
	w.s.Never(time.Second, "HF1-NUM-05", "an ack although the application has taken nothing", func() bool {
		return w.s.Acked > 0
	})
	w.do("take")
	w.gets(soon, "HF1-NUM-05", "a", "b", "c")
	w.s.Until(later, "HF1-NUM-11", "an ack", func() bool { return w.s.Acked == 3 })
}

func numAckWhole(w *world) {
	w.connect(client.Command{})
	w.s.Enqueue("tone", "+ttw")
	w.s.Until(later, "HF1-NUM-11", "an ack of the first message", func() bool { return w.s.Acked == 1 })
	w.s.Never(700*time.Millisecond, "HF1-NUM-05", "an ack of a piece", func() bool { return w.s.Acked > 1 })
	w.s.Enqueue("to")
	w.gets(soon, "HF1-NUM-02", "one", "two")
	w.s.Until(later, "HF1-NUM-11", "an ack", func() bool { return w.s.Acked == 3 })
}

func numLowerAck(w *world) {
	w.connect(client.Command{})
	w.send("a", "b")
	w.s.Got(later, "HF1-NUM-05", "a", "b")
	w.s.Enqueue("tx")
	w.gets(later, "HF1-NUM-05", "x")
	w.s.Do(func() { w.s.Live("").Raw("@2 0\n?grease-low\n") })
	w.send("c")
	w.s.Got(later, "HF1-NUM-05", "a", "b", "c")
	w.s.Do(func() { w.s.Live("").Kill() })
	w.stillWorks([]string{"a", "b", "c"}, []string{"x"})
}

func numGap(w *world) {
	w.connect(client.Command{})
	done, start := false, time.Time{}
	w.s.Do(func() {
		w.s.Send = func(p *script.Attachment, batch string) []string {
			if done || !strings.Contains(batch, "\ntone") {
				return []string{batch}
			}
			done, start = true, time.Now()
			return []string{"@2 0\ntdecoy\n", "@3 0\ntdecoy\n", "@3 0\n?grease-gap\n", "@4 0\ntdecoy\n"}
		}
	})
	w.s.Enqueue("tone", "ttwo", "tthree", "tfour")
	var p *script.Attachment
	w.s.Until(soon, "HF1-NUM-06", "!rewind", func() bool { p = w.s.Live(""); return p != nil && p.Rewinds > 0 })
	w.s.Never(150*time.Millisecond, "HF1-NUM-06", "more than one !rewind in 250 ms", func() bool {
		return p.Rewinds > 1+int(time.Since(start)/(250*time.Millisecond)) // a busy client may read slowly
	})
	w.s.Do(w.s.Flush)
	w.gets(later, "HF1-NUM-06", "one", "two", "three", "four")
}

func numLostFrame(w *world) {
	n := 0
	w.s.Send = func(_ *script.Attachment, batch string) []string {
		if n++; n%3 == 0 {
			return nil
		}
		return []string{batch}
	}
	w.start(client.Command{})
	var down []string
	for i := range 6 {
		down = append(down, fmt.Sprint("down ", i))
		w.s.Enqueue("t" + down[i])
		w.gets(3*later, "HF1-WSK-04", down...)
	}
}

func numLostOpened(w *world) {
	lost := false
	w.s.Send = func(_ *script.Attachment, batch string) []string {
		if !lost {
			lost = true
			return nil
		}
		return []string{batch}
	}
	w.start(client.Command{})
	w.s.Until(30*time.Second, "HF1-WSK-04", "another attempt", func() bool { return w.s.Opens > 1 })
	w.hello()
}

func numRewind(w *world) {
	lost := 0
	w.s.Lossy = true
	w.s.Frame = func(_ *script.Attachment, b *wire.Batch) bool {
		if b.Logs() > 0 && lost < 3 {
			lost++
			return false
		}
		return true
	}
	w.connect(client.Command{})
	var up []string
	for i := range 6 {
		up = append(up, fmt.Sprint("up ", i))
		w.send(up[i])
		w.Sleep(30 * time.Millisecond)
	}
	w.s.Got(later, "HF1-NUM-07", up...)
	w.s.Do(func() {
		if len(w.s.Attachments) > 1 {
			w.s.Fault("HF1-NUM-07", "the client has left the attachment instead")
		}
	})
	w.s.Do(nil)
}

func numLowPosition(w *world) {
	w.connect(client.Command{})
	w.send("a", "b", "c")
	w.s.Got(later, "HF1-NUM-08", "a", "b", "c")
	w.do("drained")
	w.event(later, "HF1-NUM-11", "the messages are acknowledged", "drained")
	before := w.attachment()
	w.s.Do(func() {
		w.s.Send = func(_ *script.Attachment, batch string) []string { // like an !opened that was written earlier
			if strings.Contains(batch, "!opened") {
				batch = strings.Replace(batch, `"recv":3`, `"recv":0`, 1)
			}
			return []string{batch}
		}
		w.s.Frame = func(_ *script.Attachment, b *wire.Batch) bool {
			if b.Logs() > 0 && b.First < 4 {
				w.s.Fault("HF1-NUM-08", "lines from %d on, where 3 were acknowledged", b.First)
			}
			return true
		}
		before.Kill()
	})
	w.reattached(later, "HF1-NUM-08", "a new attachment", before)
	w.send("d")
	w.s.Got(later, "HF1-NUM-08", "a", "b", "c", "d")
	w.s.Do(func() { w.s.Live("").Raw("@1 4\n!rewind {\"recv\":1}\n") })
	w.send("e")
	w.s.Got(later, "HF1-NUM-08", "a", "b", "c", "d", "e")
}

func numBeyond(w *world) {
	w.connect(client.Command{})
	w.s.Holds = func() bool { return true }
	w.send("a")
	w.s.Got(later, "HF1-NUM-09", "a")
	w.do("drained")
	c := batchCase{Refuse: "@1 9\ntdecoy\n"}
	c.replaceFirst(w, c.Refuse)
	w.s.Enqueue("tfirst")
	w.gets(later, "HF1-NUM-09", "first")
	w.Sleep(200 * time.Millisecond)
	if w.hasEvent("drained") {
		w.Fatalf("the client took an ack of 9 for one of its first message")
	}
}

func numBeyondOpened(w *world) {
	w.s.Send = func(_ *script.Attachment, batch string) []string {
		if w.s.Opens == 1 && strings.Contains(batch, "!opened") {
			batch = strings.Replace(batch, `"recv":0`, `"recv":5`, 1)
		}
		return []string{batch}
	}
	w.start(client.Command{})
	w.s.Until(later, "HF1-NUM-09", "another attempt", func() bool { return w.s.Opens > 1 })
	w.hello()
}

func numAckAlone(w *world) {
	w.connect(client.Command{})
	for i := range 3 {
		w.s.Enqueue("tx")
		w.s.Until(2500*time.Millisecond, "HF1-NUM-11", "an ack", func() bool { return w.s.Acked == uint64(i+1) })
	}
	var many []string
	for range 40 {
		many = append(many, "tm")
	}
	w.s.Enqueue(many...)
	w.s.Until(2500*time.Millisecond, "HF1-NUM-11", "an ack", func() bool { return w.s.Acked == 43 })
}
