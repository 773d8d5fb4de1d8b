package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// probe is a minimal client session over one transport: it sends controls and one !close, and
// acknowledges all messages of the application.
type probe struct {
	d      *diagnosis
	result *Transport
	key    string
	att    int
	seq    int    // of polls and pings
	recv   uint64 // position in the down log
	opened opened
	began  time.Time
	// unread is the finding when the server could not read what was sent. Default: reply-altered.
	unread string
}

// opened has the fields of the opened control that are needed here.
type opened struct {
	ID, Run string
	Lim     struct{ MaxBatch int }
	Ping    int64
	Hold    int64
}

func (d *diagnosis) newProbe(name string) *probe {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return &probe{
		d: d, att: 1, key: base64.RawURLEncoding.EncodeToString(key[:]), began: time.Now(),
		result: &Transport{Name: name, Opened: -1, RTT: -1},
	}
}

// find records a finding of this transport, whose state then is not "fits".
func (p *probe) find(id, evidence string) {
	p.d.find(id, p.result.Name+": "+evidence)
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	switch p.d.catalogue[id].Severity {
	case Fault:
		p.result.State = fails
	case Warning:
		if p.result.State == "" {
			p.result.State = impaired
		}
	case Note:
	}
}

// failed reports whether a fault of the transport was found.
func (p *probe) failed() bool {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	return p.result.State == fails
}

// packet is a received batch: its controls, and the highest number of its lines.
type packet struct {
	controls []control
	last     uint64 // 0: no log lines
}

type control struct {
	name string // with its first character
	json string
}

var errBatch = errors.New("not a batch")

// parse reads the parts of a batch that a diagnosis needs.
func parse(lines []byte) (*packet, error) {
	head, remaining, ok := bytes.Cut(lines, []byte{'\n'})
	var first, ack uint64
	if _, err := fmt.Sscanf(string(head), "@%d %d", &first, &ack); !ok || err != nil || first == 0 {
		return nil, errBatch
	}
	k := &packet{}
	next := first
	for line := range bytes.Lines(remaining) {
		line, ok := bytes.CutSuffix(line, []byte{'\n'})
		if !ok || len(line) == 0 {
			return nil, errBatch
		}
		switch line[0] {
		case 't', 'b', '+':
			k.last = next
			next++
		case '!', '?':
			name, fields, _ := strings.Cut(string(line), " ")
			if name == "!close" {
				k.last = next
				next++
			}
			if fields != "" && !json.Valid([]byte(fields)) {
				return nil, errBatch
			}
			k.controls = append(k.controls, control{name, fields})
		default:
			return nil, errBatch
		}
	}
	return k, nil
}

// get finds a control and reads its fields into v.
func (k *packet) get(name string, v any) bool {
	for _, c := range k.controls {
		if c.name == name && (v == nil || json.Unmarshal([]byte(c.json), v) == nil) {
			return true
		}
	}
	return false
}

// each calls f with the number of every control of that name: those of pings, pongs and beacons.
func (k *packet) each(name string, f func(i int)) {
	for _, c := range k.controls {
		var v struct{ I int }
		if c.name == name && json.Unmarshal([]byte(c.json), &v) == nil {
			f(v.I)
		}
	}
}

// take handles what every batch may have: lines, which it acknowledges and drops, opened, and
// refusals. It records a refusal, and then returns false.
func (p *probe) take(k *packet) bool {
	if k.last > p.recv {
		p.recv = k.last
	}
	var o opened
	if k.get("!opened", &o) {
		p.opened = o
		p.result.Session = clean(o.ID, 64)
		if p.result.Opened < 0 {
			p.result.Opened = ms(time.Since(p.began))
		}
	}
	var no struct{ Reason string }
	if k.get("!refused", &no) {
		p.refusal(no.Reason)
		return false
	}
	return true
}

func (p *probe) refusal(reason string) {
	switch reason {
	case "malformed", "position", "unknown":
		p.find(or(p.unread, "reply-altered"), "the server could not read what was sent to it: refused "+
			clean(reason, 40))
	default:
		p.find("server-refuses", "refused "+clean(reason, 40)+", in answer to the first message")
		p.d.mu.Lock()
		p.d.refused = true
		p.d.mu.Unlock()
	}
}

// batch is a batch with these lines, which have no numbers: the head acknowledges what was
// received.
func (p *probe) batch(lines ...string) []byte {
	return fmt.Appendf(nil, "@1 %d\n%s", p.recv, strings.Join(lines, ""))
}

func (p *probe) open(att int, selects bool) string {
	u := ""
	if selects {
		u = `"u":1,`
	}
	auth := ""
	if p.d.o.Auth != nil {
		auth = `,"auth":` + string(p.d.o.Auth)
	}
	return fmt.Sprintf(`!open {"v":[1],"key":%q,"att":%d,%s"recv":0,"lim":{"maxBatch":65536}%s}`+"\n", p.key, att, u,
		auth)
}

// up is the first line of an `up`.
func (p *probe) up() string {
	return fmt.Sprintf(`!up {"key":%q,"run":%q,"att":%d}`+"\n", p.key, p.opened.Run, p.att)
}

func (p *probe) poll(hold time.Duration) string {
	p.seq++
	return fmt.Sprintf(`!poll {"key":%q,"run":%q,"att":%d,"p":%d,"recv":%d,"hold":%d}`+"\n",
		p.key, p.opened.Run, p.att, p.seq, p.recv, hold.Milliseconds())
}

func ping(i int) string { return fmt.Sprintf("!ping {\"i\":%d}\n", i) }
func pong(i int) string { return fmt.Sprintf("!pong {\"i\":%d}\n", i) }

const closeLine = `!close {"code":4100,"reason":"diagnosed"}` + "\n"

// responseTimeout is how long an answer may take beyond two round trips before it is late.
func (p *probe) responseTimeout() time.Duration {
	return lateAfter + 2*time.Duration(max(p.result.RTT, 0))*time.Millisecond
}

// remaining is the rest of the whole time without the time for closing; at most d.
func remaining(ctx context.Context, d time.Duration) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(at)-closeWait)
	}
	return max(d, 0)
}

// spent reports whether the whole time is over: then a missing answer proves nothing.
func spent(ctx context.Context) bool { return ctx.Err() != nil || remaining(ctx, time.Hour) == 0 }

// closeContext is a context for closing, because the context of the probe may have ended.
func closeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), closeWait)
}

// maxBatch is the largest batch that the server accepts.
func (p *probe) maxBatch() int {
	if p.opened.Lim.MaxBatch < 2048 {
		return transport.DefaultMaxBatch
	}
	return min(p.opened.Lim.MaxBatch, 1<<20)
}

func took(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
