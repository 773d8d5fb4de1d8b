package session

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// simApp is the application at one end of a session. It sends messages whose content follows from who sends them and which they are, and
// holds each that it gets against what its peer must have sent (I1).
type simApp struct {
	w       *world
	name    string
	m       machine
	uid     uint64
	s       *Session         // for its fates
	changed func()           // the machine was given an event
	peer    func() *simApp   // the other end, nil while nobody knows
	ends    func() []*simApp // who may have been handed its messages when the session is over
	dead    bool             // its process is gone

	plan    int
	sent    int
	numbers []uint64 // of the messages sent
	sizes   []int    // and their sizes
	closed  bool     // it has closed the session

	got     int
	gotTo   uint64 // number of the last message it was handed
	busy    bool
	slow    time.Duration // it takes its time until then
	patient time.Duration // how long it takes over a message, at most
}

// pace has the application send its plan, in bursts.
func (a *simApp) pace() {
	if a.dead || a.closed || a.m.ended() != nil || a.sentAll() {
		return
	}
	for range 1 + a.w.rng.IntN(12) {
		if a.sentAll() || !a.send() {
			break
		}
	}
	a.changed()
	a.w.after(a.w.between(time.Millisecond, a.w.weather.pause), a.pace)
}

func (a *simApp) sentAll() bool { return a.sent >= a.plan }

// send sends the next message, as Session.TrySend does. False: not now.
func (a *simApp) send() bool {
	kind, data := simMessage(a.uid, a.sent)
	out, _ := a.m.logs()
	win, most := a.m.bound()
	if len(data) > most { // the plan has no place for it; a shorter one has
		data = data[:min(most, 100)]
		for kind == lineText && !utf8.Valid(data) {
			data = data[:len(data)-1]
		}
	}
	switch {
	case a.m.ended() != nil || out.closing != 0:
		return false
	case out.bytes() > 0 && out.bytes()+messageCost(kind, data) > win:
		a.w.counts.full++
		return false
	}
	a.numbers, a.sizes = append(a.numbers, a.m.send(kind, data, a.w.now())), append(a.sizes, len(data))
	a.sent++
	return true
}

// take handles what has come, one message at a time.
func (a *simApp) take() {
	for !a.busy && !a.dead {
		_, in := a.m.logs()
		r, ok := in.pop()
		if !ok {
			return
		}
		a.check(r)
		a.busy = true
		if wait := a.handling(); wait > 0 && r.close == nil {
			a.w.after(wait, func() {
				if a.busy = false; a.dead {
					return
				}
				a.m.taken(r, a.w.now())
				a.changed()
				a.take()
			})
			return
		}
		a.busy = false
		a.m.taken(r, a.w.now())
		a.changed()
	}
}

func (a *simApp) handling() time.Duration {
	switch {
	case a.w.at < a.slow:
		return a.w.between(50*time.Millisecond, a.w.weather.slowness)
	case a.patient > 0 && !a.w.calm && a.w.rng.IntN(8) == 0:
		return a.w.between(0, a.patient)
	}
	return 0
}

// check is I1: the next message of the peer, whole, and nothing else.
func (a *simApp) check(r received) {
	peer := a.peer()
	if peer == nil {
		a.w.fail("I1: %s was handed a message, and nobody can have sent it", a.name)
	}
	if r.close != nil {
		if a.got != peer.sent {
			a.w.fail("I1, CLO-01: %s was told of the close after %d of %d messages", a.name, a.got, peer.sent)
		}
		return
	}
	if a.got >= peer.sent {
		a.w.fail("I1: %s was handed message %d, and %s has sent %d", a.name, a.got, peer.name, peer.sent)
	}
	kind, want := simMessage(peer.uid, a.got)
	want = want[:peer.sizes[a.got]]
	if peer.numbers[a.got] != r.Number || (kind == lineBinary) != r.Binary || !bytes.Equal(want, r.Data) {
		a.w.fail("I1: %s was handed as message %d number %d %.60q, want number %d %.60q", a.name, a.got, r.Number, r.Data, peer.numbers[a.got], want)
	}
	a.got++
	a.gotTo = r.Number
	a.w.counts.delivered++
	if !a.w.calm {
		a.w.counts.stormy++
	}
}

// close ends the session from this side.
func (a *simApp) close(code uint64) {
	if a.dead || a.closed || a.m.ended() != nil {
		return
	}
	a.closed = true
	a.w.tracef("%s closes", a.name)
	a.m.end(closeCodeOf(code), "sim", a.w.now())
	a.changed()
}

// checkFates holds what the end tells against what the peer was handed (HF1-CLO-05).
func (a *simApp) checkFates() {
	if a.dead || a.m.ended() == nil {
		return
	}
	end, truth, last := a.s.endOf(), uint64(0), uint64(0)
	for _, peer := range a.ends() {
		truth = max(truth, peer.gotTo)
	}
	if a.sent > 0 {
		last = a.numbers[a.sent-1]
	}
	switch {
	case end.Sent != last:
		a.w.fail("fates: %s is told that %d is its last message, it is %d", a.name, end.Sent, last)
	case end.Delivered > truth:
		a.w.fail("fates: %s is told that %d of %d was delivered, its peer has %d", a.name, end.Delivered, end.Sent, truth)
	case end.Exact && truth > end.Delivered:
		a.w.fail("fates: %s is told that above %d of %d nothing was delivered, its peer has %d", a.name, end.Delivered, end.Sent, truth)
	}
	switch {
	case end.Exact && end.Delivered == end.Sent:
		a.w.counts.fates[0]++
	case end.Exact:
		a.w.counts.fates[1]++
	default:
		a.w.counts.fates[2]++
	}
}

// The messages of all worlds are cut from these.
var simText, simBlock = func() ([]byte, []byte) {
	const words = "hold fast \\n\\ \"quotes\" {\"json\":[1,2]} naïve Ελλάδα Привет مرحبا שלום नमस्ते 你好 こんにちは 안녕 🦭🏴‍☠️ \r\n \u2028 \u0085 \ufeff \x00 \t . @1 0 !close + b64= "
	text := bytes.Repeat([]byte(words), 1+(256<<10)/len(words))
	block := make([]byte, 256<<10)
	x := uint64(1)
	for i := range block {
		x = mix(x)
		block[i] = byte(x >> 40)
	}
	return text, block
}()

// mix is splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// simMessage is message i of uid: often short, sometimes of many lines.
func simMessage(uid uint64, i int) (lineKind, []byte) {
	h := mix(mix(uid) + uint64(i))
	size := h >> 8 % 64
	switch p := h % 100; {
	case p < 4:
		size = 0
	case p < 74:
	case p < 92:
		size = h >> 8 % 1600
	case p < 98:
		size = h >> 8 % 8000
	default:
		size = h >> 8 % 40000
	}
	pool, kind := simText, lineText
	if h>>60&1 == 1 {
		pool, kind = simBlock, lineBinary
	}
	from := int(h >> 20 % 100_000)
	to := from + int(size)
	if kind == lineText {
		from, to = runeStart(pool, from), runeStart(pool, to)
	}
	return kind, pool[from:to]
}

func runeStart(b []byte, i int) int {
	for !utf8.RuneStart(b[i]) {
		i++
	}
	return i
}
