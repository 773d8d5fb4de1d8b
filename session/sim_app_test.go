package session

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// simApp is the application at one end of a session. The content of a message follows from its
// sender and its index, so the receiver can compare each message with what was sent (I1).
type simApp struct {
	w       *world
	name    string
	m       core
	uid     uint64
	changed func()           // called after the machine got an event
	peer    func() *simApp   // the other end, nil while it is not known
	ends    func() []*simApp // who may have received its messages when the session is over
	dead    bool             // its process has ended

	plan    int
	sent    int
	next    nextMessage
	numbers []uint64 // of the messages sent
	sizes   []int    // and their sizes
	closed  bool     // it has closed the session

	got         int
	gotTo       uint64 // number of the last message it received
	busy        bool
	slowUntil   time.Duration // it is a slow reader until then
	maxHandling time.Duration // the longest time it takes for a message
}

// pace sends the planned messages, in bursts.
func (a *simApp) pace() {
	if a.dead || a.closed || a.over() || a.sentAll() {
		return
	}
	for range 1 + a.w.rng.IntN(12) {
		if a.sentAll() || !a.send() {
			break
		}
	}
	a.changed()
	a.w.after(a.w.between(time.Millisecond, a.w.profile.pause), a.pace)
}

func (a *simApp) over() bool {
	_, over := a.m.Ending()
	return over
}

func (a *simApp) sentAll() bool { return a.sent >= a.plan }

// send sends the next message, as Session.TrySend does. False: it cannot be sent now.
func (a *simApp) send() bool {
	if a.over() || a.m.Closing() {
		return false
	}
	buffer, maxMessage := a.m.Bounds()
	size, lines := a.encoded(maxMessage)
	if buffered := a.m.Buffered(); buffered > 0 && buffered+lines.Cost() > buffer {
		a.w.counts.full++
		return false
	}
	a.numbers, a.sizes = append(a.numbers, a.m.Send(*lines, a.w.now())), append(a.sizes, size)
	a.sent++
	return true
}

// encoded is the next message. It is encoded once, even when it has to wait for room.
func (a *simApp) encoded(maxMessage int) (size int, lines *logs.Encoded) {
	if n := &a.next; n.index != a.sent || n.maxMessage != maxMessage {
		kind, data := simMessage(a.uid, a.sent)
		if len(data) > maxMessage { // send a shorter one instead
			data = data[:min(maxMessage, 100)]
			for kind == wire.TextLine && !utf8.Valid(data) {
				data = data[:len(data)-1]
			}
		}
		*n = nextMessage{a.sent, maxMessage, len(data), logs.Encode(kind, data)}
	}
	return a.next.size, &a.next.lines
}

// nextMessage is a message that waits for room.
type nextMessage struct {
	index, maxMessage, size int
	lines                   logs.Encoded
}

// take handles the messages that have arrived, one at a time.
func (a *simApp) take() {
	for !a.busy && !a.dead {
		r, ok := a.m.Pop()
		if !ok {
			return
		}
		a.check(r)
		a.busy = true
		if wait := a.handling(); wait > 0 && r.Close == nil {
			a.w.after(wait, func() {
				if a.busy = false; a.dead {
					return
				}
				a.m.Taken(r, a.w.now())
				a.changed()
				a.take()
			})
			return
		}
		a.busy = false
		a.m.Taken(r, a.w.now())
		a.changed()
	}
}

// handling is how long the application takes for a message.
func (a *simApp) handling() time.Duration {
	switch {
	case a.w.at < a.slowUntil:
		return a.w.between(50*time.Millisecond, a.w.profile.maxSlowHandling)
	case a.maxHandling > 0 && !a.w.quiet && a.w.rng.IntN(8) == 0:
		return a.w.between(0, a.maxHandling)
	}
	return 0
}

// check is I1: the message is the next one of the peer, complete and unchanged.
func (a *simApp) check(r logs.Received) {
	peer := a.peer()
	if peer == nil {
		a.w.fail("I1: %s received a message, and has no peer that can have sent it", a.name)
	}
	if r.Close != nil {
		if a.got != peer.sent {
			a.w.fail("I1, CLO-01: %s received the close after %d of %d messages", a.name, a.got, peer.sent)
		}
		return
	}
	if a.got >= peer.sent {
		a.w.fail("I1: %s received message %d, and %s has sent %d", a.name, a.got, peer.name, peer.sent)
	}
	kind, want := simMessage(peer.uid, a.got)
	want = want[:peer.sizes[a.got]]
	if peer.numbers[a.got] != r.Number || (kind == wire.BinaryLine) != r.Binary || !bytes.Equal(want, r.Data) {
		a.w.fail("I1: %s received as message %d number %d, %.60q, want number %d, %.60q",
			a.name, a.got, r.Number, r.Data, peer.numbers[a.got], want)
	}
	a.got++
	a.gotTo = r.Number
	a.w.counts.delivered++
	if !a.w.quiet {
		a.w.counts.faulty++
	}
}

// close ends the session from this side.
func (a *simApp) close(code transport.Code) {
	if a.dead || a.closed || a.over() {
		return
	}
	a.closed = true
	a.w.tracef("%s closes", a.name)
	a.m.Close(code, "sim", a.w.now())
	a.changed()
}

// checkFates compares what the session's end says with what the peer received (HF1-CLO-05).
func (a *simApp) checkFates() {
	if a.dead || !a.over() {
		return
	}
	end, truth, last := (&Session{core: a.m}).endOf(), uint64(0), uint64(0)
	for _, peer := range a.ends() {
		truth = max(truth, peer.gotTo)
	}
	if a.sent > 0 {
		last = a.numbers[a.sent-1]
	}
	switch {
	case end.Sent != last:
		a.w.fail("fates: %s ended with %d as its last message, it is %d", a.name, end.Sent, last)
	case end.Delivered > truth:
		a.w.fail("fates: %s ended with %d of %d delivered, its peer received up to %d",
			a.name, end.Delivered, end.Sent, truth)
	case end.Exact && truth > end.Delivered:
		a.w.fail("fates: %s ended with exactly %d of %d delivered, its peer received up to %d",
			a.name, end.Delivered, end.Sent, truth)
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

// The messages of all worlds are parts of these.
var simText, simBlock = func() ([]byte, []byte) {
	const words = "hold fast \\n\\ \"quotes\" {\"json\":[1,2]} naïve Ελλάδα Привет مرحبا שלום नमस्ते 你好 " +
		"こんにちは 안녕 🦭🏴‍☠️ \r\n \u2028 \u0085 \ufeff \x00 \t . @1 0 !close + b64= "
	text := bytes.Repeat([]byte(words), 1+(256<<10)/len(words))
	block := make([]byte, 256<<10)
	x := uint64(1)
	for i := range block {
		x = mix(x)
		block[i] = byte(x >> 40)
	}
	return text, block
}()

// mix is splitmix64, a fast hash.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// simMessage is message i of uid. It is often short, and sometimes has many lines.
func simMessage(uid uint64, i int) (wire.Kind, []byte) {
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
	pool, kind := simText, wire.TextLine
	if h>>60&1 == 1 {
		pool, kind = simBlock, wire.BinaryLine
	}
	from := int(h >> 20 % 100_000)
	to := from + int(size)
	if kind == wire.TextLine {
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
