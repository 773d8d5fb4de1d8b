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

var both = []string{script.WebSocket, script.LongPoll}

// chooseCases are about the race of transports, the selection and the change between transports.
func chooseCases() suite.Set {
	return slices.Concat(
		several("sel/race", "SEL-02 LIV-10",
			"A transport that has not opened within clamp(2 RTT, 250 ms, 1 s) is joined by the next, with the "+
				"same key and u.", selRace),
		several("liv/race-black-hole", "LIV-10",
			"A black-holed upgrade costs no more than the attempt delay.", livRaceBlackHole),
		several("liv/next-at-once", "LIV-10",
			"A transport that fails is followed by the next at once.", livNextAtOnce),
		several("sel/promote", "LIV-11 SEL-03 SEL-06 SEL-09 LIV-09",
			"A better transport that stands by is promoted once it is validated: opened, a ping round trip and 10 s "+
				"of life. The old one is read until its detach and closed 5 s later at the latest.", selPromote),
		several("sel/use-again", "SEL-04 SEL-07",
			"An unanswered !use is repeated, after max(1 s, 2 round trips); until it is confirmed no new u is "+
				"given out.", selUseAgain),
		over("ws", "sel/other-att", "SEL-06 SEL-07",
			"An attachment is taken for selected only if a sel names it with the client's own highest u: no lines "+
				"before that.", selOtherAtt),
		over("ws sse poll", "sel/move", "SEL-10 SEL-03",
			"?move asks the client to attach anew and to select that.", selMove),
		several("liv/two-deaths", "LIV-09",
			"A transport that failed twice before it was validated gets a cooldown; the session uses the others, and "+
				"it is tried again.", livTwoDeaths),
	)
}

func selRace(w *world) {
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if p.Transport == script.WebSocket {
			return nil // it never opens
		}
		return []string{batch}
	}
	w.start(client.Command{Transports: both})
	w.s.Until(later, "HF1-LIV-10", "the next transport", func() bool { return w.s.Find(script.LongPoll) != nil })
	w.s.Do(func() {
		p, q := w.s.Find(script.WebSocket), w.s.Find(script.LongPoll)
		if p == nil {
			w.s.Fault("HF1-LIV-10", "the best transport was not tried first")
			return
		}
		if p.U != q.U || p.U == 0 {
			w.s.Fault("HF1-SEL-02", "the opens in one race have the u %d and %d", p.U, q.U)
		}
		if d := q.OpenedAt.Sub(p.OpenedAt); d > 2500*time.Millisecond {
			w.s.Fault("HF1-LIV-10", "the next transport came after %s", d)
		}
	})
	w.hello()
	if w.countSessions() > 1 {
		w.Break("HF1-LIV-10", "the transports that race have different keys")
	}
}

func livRaceBlackHole(w *world) {
	w.s.Upgrade = func(int, *http.Request) int { return -1 }
	w.start(client.Command{Transports: both})
	w.event(4*time.Second, "HF1-LIV-10", "the client is open over another transport", "open")
	w.hello()
}

func livNextAtOnce(w *world) {
	w.s.Upgrade = func(int, *http.Request) int { return 403 }
	w.start(client.Command{Transports: both})
	w.event(3*time.Second, "HF1-LIV-10", "the client is open over another transport", "open")
	w.hello()
}

func selUseAgain(w *world) {
	lost := 0
	var us []uint64
	w.s.Frame = func(_ *script.Attachment, b *wire.Batch) bool {
		if l := b.Find("!use"); l != nil {
			us = append(us, l.Number("u"))
			lost++
			return lost > 1
		}
		return true
	}
	w.connect(client.Command{Transports: []string{script.WebSocket}})
	w.s.Do(func() { w.s.Live("").Control("?move {}") })
	w.s.Until(12*time.Second, "HF1-SEL-04", "a second !use", func() bool { return len(us) > 1 })
	w.s.Do(func() {
		if len(w.s.Attachments) > 2 {
			w.s.Fault("HF1-SEL-04", "the client has attached again instead of repeating its !use")
		} else if us[0] != us[1] {
			w.s.Fault("HF1-SEL-07", "!use with u %d, before %d was confirmed", us[1], us[0])
		}
	})
	w.hello()
}

func selOtherAtt(w *world) {
	altered := false
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if strings.Contains(batch, "!opened") && !altered {
			altered = true
			w.s.U, w.s.Att = 1, 99
			return []string{"@1 0\n" + w.s.Opened(p) + "\n"}
		}
		return []string{batch}
	}
	early := false
	w.s.Frame = func(_ *script.Attachment, b *wire.Batch) bool {
		if b.Logs() > 0 && w.s.Att == 99 && b.Find("!use") == nil {
			early = true
		}
		return true
	}
	w.start(client.Command{})
	w.s.Until(soon, "HF1-SEL-06", "!use on the attachment, with a u above the server's", func() bool {
		return w.s.U > 1
	})
	w.hello()
	w.s.Do(func() {
		if early {
			w.s.Fault("HF1-SEL-06", "log lines on an attachment that is not selected")
		}
	})
	w.s.Do(nil)
}

func selMove(w *world) {
	w.connect(client.Command{})
	before := w.attachment()
	asked := false
	w.s.Do(func() {
		w.s.Alter = func(_ *script.Request, r *script.Reply) {
			if !asked && strings.Contains(r.Batch, "!reply") {
				asked = true
				r.Batch += "?move {}\n"
			}
		}
		if before.Transport != script.LongPoll {
			asked = true
			before.Control("?move {}")
		}
	})
	if !asked {
		w.send("wakes a reply")
		w.s.Got(later, "HF1-SEL-10", "wakes a reply")
	}
	w.reattached(later, "HF1-SEL-10", "a new attachment", before)
	w.s.Until(later, "HF1-SEL-10", "the selection of the new attachment", func() bool { return w.s.Att > before.Att })
	w.s.Enqueue("tdown")
	w.gets(later, "HF1-SEL-10", "down")
}

func livTwoDeaths(w *world) {
	var last time.Time
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if p.Transport == script.WebSocket && strings.Contains(batch, "!opened") && w.s.Upgrades < 4 {
			p.KillSoon(200 * time.Millisecond)
		}
		return []string{batch}
	}
	w.s.Upgrade = func(int, *http.Request) int { last = time.Now(); return 0 }
	w.connect(client.Command{Transports: both})
	w.s.Until(later, "HF1-LIV-09", "the other transport", func() bool {
		return w.s.Live(script.LongPoll) != nil && w.s.Upgrades >= 2
	})
	w.Sleep(500 * time.Millisecond)
	var n int
	w.s.Do(func() { n = w.s.Upgrades })
	w.s.Never(12*time.Second, "HF1-LIV-09",
		"a transport that had failed twice, early, was tried again without a cooldown", func() bool {
			return w.s.Upgrades > n
		})
	w.hello()
	w.s.Until(25*time.Second, "HF1-LIV-11", "the better transport is tried again when its cooldown is over",
		func() bool {
			return w.s.Upgrades > n && time.Since(last) < time.Minute
		})
}

// selPromote lets the WebSocket open late, beside long polls.
func selPromote(w *world) {
	opened := false
	w.s.Send = func(p *script.Attachment, batch string) []string {
		if p.Transport != script.WebSocket || opened || !strings.Contains(batch, "!opened") {
			return []string{batch}
		}
		opened = true
		p.RawSoon(1500*time.Millisecond, batch)
		return nil
	}
	var used time.Time
	w.s.Frame = func(p *script.Attachment, b *wire.Batch) bool {
		if b.Find("!use") == nil || !used.IsZero() {
			return true
		}
		used = time.Now()
		if p.Pinged() == 0 {
			w.s.Fault("HF1-LIV-09", "!use before a ping round trip")
		}
		if d := time.Since(p.OpenedAt); d < 9*time.Second {
			w.s.Fault("HF1-LIV-09", "!use at the age of %s; a transport is validated after 10 s", d)
		}
		return true
	}
	w.start(client.Command{Transports: both})
	w.s.Until(later, "HF1-LIV-10", "long polls carry the session", func() bool {
		p := w.s.Live(script.LongPoll)
		return p != nil && p.Att == w.s.Att
	})
	w.s.Enqueue("tbefore")
	w.gets(later, "HF1-SEL-09", "before")
	w.s.Until(20*time.Second, "HF1-LIV-11", "the WebSocket is selected", func() bool { return !used.IsZero() })
	w.s.Enqueue("tafter")
	w.gets(later, "HF1-SEL-09", "before", "after")
	w.s.Until(8*time.Second, "HF1-SEL-09", "the old attachment is closed", func() bool {
		p := w.s.Find(script.LongPoll)
		return p.Detached || !p.Polling()
	})
	w.send("up")
	w.s.Got(later, "HF1-SEL-06", "up")
}
