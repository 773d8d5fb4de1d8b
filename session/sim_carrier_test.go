package session

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/machine"
	"github.com/holdfast-rt/holdfast/transport"
)

// simCarrier is one carrier in the network, between a conn of the client and one of the server. It
// has the bytes in flight in both directions, in order, and its faults.
type simCarrier struct {
	c     *simClient
	w     *world
	id    int
	kind  transport.Kind
	route *simRoute
	node  *simNode
	pre   transport.Preamble
	serve *simServe

	transport string // of its attachment
	att       uint64 // the attachment, once the first batch is written

	open             bool // the client uses it
	writing          bool
	dead             bool // nothing arrives any more in any direction
	holeUp, holeDown bool
	held             bool // a proxy holds the stream back
	latency          time.Duration
	rate             int           // bytes a second; 0: no limit
	upAt, downAt     time.Duration // bytes sent later must not arrive before that
	upSize, downSize int           // in flight
	passed           time.Duration // when bytes last arrived at an end
}

// sendBuffer is how many bytes an end can write before the other end reads.
const sendBuffer = 64 << 10

var (
	errSimCut     = errors.New("connection reset")
	errSimRefused = errors.New("connection refused")
)

func newSimCarrier(c *simClient, e clientmachine.Effect) *simCarrier {
	w := c.w
	ca := &simCarrier{
		c: c, w: w, id: e.Conn, kind: e.ConnKind, transport: e.Transport, node: w.nodes[0], open: true,
		latency: w.between(time.Millisecond/2, w.profile.latency), rate: w.profile.rate,
	}
	ca.pre = transport.Preamble{Kind: e.ConnKind, Nonce: w.nonce()}
	ca.route = w.profile.routes[machine.TransportOf(e.ConnKind)]
	c.carriers[e.Conn] = ca
	w.after(w.between(0, time.Millisecond), func() { c.do(ca.dial) })
	return ca
}

// dial takes the first batch from the machine. The route may refuse the carrier or change it.
func (ca *simCarrier) dial() {
	if !ca.open {
		return
	}
	b := &ca.c.batch
	if !ca.c.m.Next(ca.id, b, ca.w.now()) { // it was given up before it started
		ca.c.lost(ca, nil)
		return
	}
	data, round := simBytes(b), 2*ca.latency
	ca.att = attOf(data)
	if !ca.route.meet(ca) {
		ca.w.after(round, func() { ca.c.do(func() { ca.c.lost(ca, errSimRefused) }) })
		return
	}
	ca.upAt = ca.w.at + round // the handshake
	ca.passed = ca.upAt
	ca.applyPolicy()
	ca.misroute()
	ca.serve = &simServe{n: ca.node, ca: ca, pre: ca.pre}
	ca.up(b.Batch().Binary, ca.addForeign(data), true)
	ca.c.check()
}

// attOf reads the attachment that a first batch names.
func attOf(data []byte) (att uint64) {
	_, rest, _ := bytes.Cut(data, []byte(`"att":`))
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		att = att*10 + uint64(c-'0')
	}
	return att
}

// addForeign adds the controls of simClient.inject to a POST of the attachment, after its address.
func (ca *simCarrier) addForeign(data []byte) []byte {
	foreign := ca.c.foreign[ca.att]
	if ca.kind != transport.KindUp || len(foreign) == 0 || len(data)+len(foreign) > maxForeign || ca.w.quiet {
		return data
	}
	delete(ca.c.foreign, ca.att)
	address := bytes.IndexByte(data, '\n') + 1
	address += bytes.IndexByte(data[address:], '\n') + 1
	return slices.Insert(data, address, foreign...)
}

// maxForeign is how large a batch may be with a control that no machine has written. Every end
// accepts that much.
const maxForeign = 2048

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
	data = w.corrupt(ca, data, binary)
	at := ca.arrival(&ca.upAt, len(data))
	v := ca.serve
	switch ca.disturbUp(v, data, binary, first, &at, &data) {
	case batchLost:
		return
	case batchCuts:
		ca.cut(true, true)
		return
	case batchPasses:
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

// arrive is the server's transport: it decodes the bytes.
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
		case err != nil && v.c == nil: // it is the first batch
			v.ended = true
			v.ca.down(v, false, nil, true)
		case err != nil:
			v.finish(true)
			v.ca.down(v, false, nil, true)
		case first:
			v.accept(simBatch(binary, lines))
			ca.checkLeft(v)
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
		ca.checkLeft(v)
	}
}

// checkLeft ends a request whose client has closed it meanwhile.
func (ca *simCarrier) checkLeft(v *simServe) {
	if !ca.open && !ca.dead {
		ca.w.after(ca.latency, func() { ca.node.do(func() { v.finish(true) }) })
	}
}

// answer gives the client an HTTP status without a batch.
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
		return // a copy of a request: nobody reads the answer
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
		outcome := ca.disturbDown(&data)
		at := ca.arrival(&ca.downAt, len(data))
		switch outcome {
		case batchLost:
			if ca.holeDown {
				ca.downSize += len(data)
			}
			return
		case batchCuts:
			ca.cut(true, true)
			return
		case batchPasses:
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
				v.Wake()
			}
		})
	}
	if last && !ca.holeDown {
		var fault error
		if len(data) == 0 && ca.kind != transport.KindSocket && ca.kind != transport.KindStream {
			fault = transport.ErrTruncated // an answer must have a batch
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

// deliver is the client's transport: it decodes the bytes.
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
		ca.closeUp(true)
		return
	}
	ca.c.read(ca, simBatch(binary, lines))
}

// arrival is when bytes sent now arrive: after all bytes sent before.
func (ca *simCarrier) arrival(before *time.Duration, size int) time.Duration {
	at := max(*before, ca.w.at)
	if ca.rate > 0 {
		at += time.Duration(size) * time.Second / time.Duration(ca.rate)
	}
	*before = at
	return at + ca.latency
}

// stuck reports whether the send buffer of the server's end is full. A writer that is stuck for
// long gives up, as one with a write deadline does.
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

// wakeWriter lets the client write the frames of a WebSocket soon.
func (ca *simCarrier) wakeWriter() {
	if ca == nil || ca.writing || !ca.open || ca.kind != transport.KindSocket {
		return
	}
	ca.writing = true
	ca.w.after(ca.w.between(0, time.Millisecond), func() {
		ca.c.do(func() {
			ca.writing = false
			b := &ca.c.batch
			for ca.open && ca.upSize < sendBuffer && ca.c.m.Next(ca.id, b, ca.w.now()) {
				ca.up(b.Batch().Binary, simBytes(b), false)
				ca.c.check()
			}
		})
	})
}

// drop removes the carrier from the client.
func (ca *simCarrier) drop() {
	ca.open = false
	delete(ca.c.carriers, ca.id)
}

// hangUp closes the client's end. The server learns it unless the carrier is dead.
func (ca *simCarrier) hangUp() {
	if !ca.open {
		return
	}
	ca.drop()
	ca.closeUp(ca.kind != transport.KindSocket || ca.w.rng.IntN(2) == 0)
}

// closeUp lets the server see that the client's end is closed.
func (ca *simCarrier) closeUp(broken bool) {
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

// abandon ends the client's process; quiet: the server does not learn it.
func (ca *simCarrier) abandon(quiet bool) {
	if !quiet {
		ca.closeUp(true)
	}
	ca.drop()
	ca.dead = ca.dead || quiet
}

// cut breaks the carrier. The arguments say which ends see it.
func (ca *simCarrier) cut(client, server bool) {
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
