package session

import (
	"bytes"
	"errors"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// simCarrier is one carrier as the network has it: bytes in flight both ways, in order, and what is wrong with it.
type simCarrier struct {
	c     *simClient
	w     *world
	id    int
	kind  transport.Kind
	way   string // the transport of its path
	route *simRoute
	node  *simNode
	pre   transport.Preamble
	serve *simServe

	open             bool // the client has it
	writing          bool
	dead             bool // nothing arrives any more, either way
	holeUp, holeDown bool
	held             bool // a proxy keeps the stream back
	latency          time.Duration
	rate             int           // bytes a second; 0: no limit
	upAt, downAt     time.Duration // what is sent later arrives later
	upSize, downSize int           // in flight
	passed           time.Duration // when something last did
}

const sendBuffer = 64 << 10

var (
	errSimCut     = errors.New("connection reset")
	errSimRefused = errors.New("connection refused")
)

func newSimCarrier(c *simClient, a action) *simCarrier {
	w := c.w
	ca := &simCarrier{c: c, w: w, id: a.conn, kind: a.carrier, way: a.transport, node: w.nodes[0], open: true, latency: w.between(time.Millisecond/2, w.weather.latency), rate: w.weather.rate}
	ca.pre = transport.Preamble{Kind: a.carrier, Nonce: w.nonce()}
	ca.route = w.weather.routes[routeOf(a.carrier)]
	c.carriers[a.conn] = ca
	w.after(w.between(0, time.Millisecond), func() { c.do(ca.dial) })
	return ca
}

func routeOf(k transport.Kind) string {
	switch k {
	case transport.KindSocket:
		return transport.WebSocket
	case transport.KindStream:
		return transport.SSE
	default:
		return transport.LongPoll
	}
}

// dial takes the first batch from the machine and meets what the route does to new carriers.
func (ca *simCarrier) dial() {
	if !ca.open {
		return
	}
	b := &ca.c.batch
	if !ca.c.m.next(ca.id, b, ca.w.now()) { // it was given up before it began
		ca.c.lost(ca, nil)
		return
	}
	data, round := simBytes(b), 2*ca.latency
	if !ca.route.meet(ca) {
		ca.w.after(round, func() { ca.c.do(func() { ca.c.lost(ca, errSimRefused) }) })
		return
	}
	ca.upAt = ca.w.at + round // the handshake
	ca.passed = ca.upAt
	ca.grow()
	ca.stray()
	ca.serve = &simServe{n: ca.node, ca: ca, pre: ca.pre}
	ca.up(b.kind, data, true)
	ca.c.check()
}

// up sends one batch towards the server.
func (ca *simCarrier) up(binary bool, data []byte, first bool) {
	w := ca.w
	w.counts.countBatch(data, binary, 0)
	if ca.tooBig(len(data), "up") {
		return
	}
	if first && ca.kind != transport.KindSocket {
		data = append(append(ca.pre.AppendTo(nil), data...), transport.End...)
	}
	data = w.breach(ca, data, binary)
	at := ca.arrival(&ca.upAt, len(data))
	v := ca.serve
	switch ca.harmUp(v, data, binary, first, &at, &data) {
	case harmLost:
		return
	case harmCut:
		ca.severed(true, true)
		return
	case harmNone:
	}
	ca.upSize += len(data)
	w.when(at, func() {
		ca.node.do(func() {
			ca.upSize -= len(data)
			if ca.dead && first && ca.kind == transport.KindSocket {
				return
			}
			ca.arrive(v, binary, data, first)
			ca.wakeWriter()
		})
	})
}

// arrive is the server's transport: it takes the bytes apart.
func (ca *simCarrier) arrive(v *simServe, binary bool, data []byte, first bool) {
	ca.passed = max(ca.passed, ca.w.at)
	switch {
	case ca.dead && !first || v.ended:
		return
	case ca.kind == transport.KindSocket:
		lines, err := data, error(nil)
		if !binary {
			lines, err = transport.DecodeText(data)
		}
		switch {
		case err != nil && v.c == nil: // it never spoke
			v.ended = true
			v.ca.down(v, false, nil, true)
		case err != nil:
			v.finish(true)
			v.ca.down(v, false, nil, true)
		case first:
			v.accept(simBatch(binary, lines))
			ca.left(v)
		case v.c != nil:
			v.receive(simBatch(binary, lines))
		}
	default:
		pre, lines, err := transport.DecodeBody(bytes.Clone(data))
		if err != nil {
			v.ended = true
			v.ca.answer(v, &transport.StatusError{Status: transport.HTTPStatus(err)})
			return
		}
		v.pre = pre
		v.accept(simBatch(false, lines))
		ca.left(v)
	}
}

// left: a request whose client has gone meanwhile is found to have nobody at its other end.
func (ca *simCarrier) left(v *simServe) {
	if !ca.open && !ca.dead {
		ca.w.after(ca.latency, func() { ca.node.do(func() { v.finish(true) }) })
	}
}

// answer is a bare HTTP status.
func (ca *simCarrier) answer(v *simServe, err error) {
	if ca == nil || ca.serve != v || ca.dead || ca.holeDown {
		return
	}
	ca.w.counts.statuses++
	ca.w.after(ca.latency, func() { ca.c.do(func() { ca.c.lost(ca, err) }) })
}

// down sends one batch towards the client; last: the carrier ends after it.
func (ca *simCarrier) down(v *simServe, binary bool, data []byte, last bool) {
	if ca == nil || ca.serve != v {
		return // a copy that nobody reads
	}
	w := ca.w
	if len(data) > 0 {
		w.counts.countBatch(data, binary, 1)
		if ca.dead || ca.tooBig(len(data), "down") {
			return
		}
		if ca.kind != transport.KindSocket {
			pre := v.pre.AppendTo(nil)
			if ca.kind == transport.KindStream {
				pre = nil
			}
			data = append(append(pre, data...), transport.End...)
		}
		harm := ca.harmDown(&data)
		at := ca.arrival(&ca.downAt, len(data))
		switch harm {
		case harmLost:
			if ca.holeDown {
				ca.downSize += len(data)
			}
			return
		case harmCut:
			ca.severed(true, true)
			return
		case harmNone:
		}
		if ca.held {
			at = max(at, w.at+w.between(2*time.Second, 30*time.Second))
			ca.downAt = at
		}
		ca.downSize += len(data)
		w.when(at, func() {
			ca.downSize -= len(data)
			if ca.dead {
				return
			}
			ca.c.do(func() { ca.deliver(binary, data) })
			if !v.ended && v.s != nil {
				v.wake(nil)
			}
		})
	}
	if last && !ca.holeDown {
		var fault error
		if len(data) == 0 && ca.kind != transport.KindSocket && ca.kind != transport.KindStream {
			fault = transport.ErrTruncated // an answer without a batch is none
		}
		w.when(max(ca.downAt, w.at)+ca.latency, func() {
			ca.c.do(func() {
				if !ca.dead {
					ca.c.lost(ca, fault)
				}
			})
		})
	}
}

// deliver is the client's transport.
func (ca *simCarrier) deliver(binary bool, data []byte) {
	ca.passed = max(ca.passed, ca.w.at)
	if !ca.open || ca.dead {
		return
	}
	lines, err := data, error(nil)
	switch {
	case binary:
	case ca.kind == transport.KindSocket:
		lines, err = transport.DecodeText(bytes.Clone(data))
	case ca.kind == transport.KindStream:
		lines, err = transport.DecodeLines(bytes.Clone(data))
	default:
		var pre transport.Preamble
		if pre, lines, err = transport.DecodeBody(bytes.Clone(data)); err == nil && pre != ca.pre {
			err = transport.ErrGarbled
		}
	}
	if err != nil {
		ca.c.lost(ca, err)
		ca.part(true)
		return
	}
	ca.c.read(ca, simBatch(binary, lines))
}

// arrival is when bytes sent now arrive, after all that was sent before.
func (ca *simCarrier) arrival(before *time.Duration, size int) time.Duration {
	at := max(*before, ca.w.at)
	if ca.rate > 0 {
		at += time.Duration(size) * time.Second / time.Duration(ca.rate)
	}
	*before = at
	return at + ca.latency
}

// stuck: the send buffer of the server's end is full. A writer that is stuck for long gives up, as one with a write deadline does.
func (ca *simCarrier) stuck(v *simServe) bool {
	if !ca.full(v) {
		return false
	}
	if ca.holeDown {
		ca.w.after(15*time.Second, func() { ca.node.do(func() { v.finish(true) }) })
	}
	return true
}

func (ca *simCarrier) full(v *simServe) bool {
	return ca != nil && ca.serve == v && ca.downSize >= sendBuffer
}

// wakeWriter has the client write a WebSocket's frames in a moment.
func (ca *simCarrier) wakeWriter() {
	if ca == nil || ca.writing || !ca.open || ca.kind != transport.KindSocket {
		return
	}
	ca.writing = true
	ca.w.after(ca.w.between(0, time.Millisecond), func() {
		ca.c.do(func() {
			ca.writing = false
			for ca.open && ca.upSize < sendBuffer && ca.c.m.next(ca.id, &ca.c.batch, ca.w.now()) {
				ca.up(ca.c.batch.kind, simBytes(&ca.c.batch), false)
				ca.c.check()
			}
		})
	})
}

// drop takes the carrier from the client.
func (ca *simCarrier) drop() {
	ca.open = false
	delete(ca.c.carriers, ca.id)
}

// hangup is the client's end closing: the server hears of it, if anything still passes.
func (ca *simCarrier) hangup() {
	if !ca.open {
		return
	}
	ca.drop()
	ca.part(ca.kind != transport.KindSocket || ca.w.rng.IntN(2) == 0)
}

// part lets the server see that the client's end is gone.
func (ca *simCarrier) part(broken bool) {
	v := ca.serve
	if v == nil || ca.dead || ca.holeUp {
		return
	}
	ca.w.when(max(ca.upAt, ca.w.at)+ca.latency, func() {
		ca.node.do(func() {
			if v.c != nil {
				v.finish(broken)
			}
		})
	})
}

// abandon is the client's process dying; quiet: the server does not hear of it.
func (ca *simCarrier) abandon(quiet bool) {
	if !quiet {
		ca.part(true)
	}
	ca.drop()
	ca.dead = ca.dead || quiet
}

// severed cuts the carrier; each end sees it, or does not.
func (ca *simCarrier) severed(client, server bool) {
	if ca.dead {
		return
	}
	ca.dead = true
	if client {
		ca.w.after(ca.w.between(0, 50*time.Millisecond), func() { ca.c.do(func() { ca.c.lost(ca, errSimCut) }) })
	}
	if v := ca.serve; server && v != nil {
		ca.w.after(ca.w.between(0, 50*time.Millisecond), func() {
			ca.node.do(func() {
				if v.c != nil {
					v.finish(true)
				}
			})
		})
	}
}
