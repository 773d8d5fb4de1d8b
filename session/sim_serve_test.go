package session

import (
	"context"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// simServe is the server's end of a carrier, or of a copy of a request whose answer nobody reads.
type simServe struct {
	n      *simNode
	r      *Registry
	ca     *simCarrier // the carrier that it writes to; nil: none
	pre    transport.Preamble
	c      *serverConn
	s      *simSession
	ended  bool
	woken  bool
	opened bool // it has written something
	packet wire.Packet
}

// accept takes the first batch of a carrier.
func (v *simServe) accept(b transport.Batch) {
	n := v.n
	v.r = n.r
	v.c = new(serverConn)
	v.c.Init(v.pre.Kind, v)
	if n.refuse != "" {
		v.c.Refuse(wire.Refused{Reason: n.refuse, Retry: uint64(n.w.rng.IntN(2000))})
		v.replyUnattached()
		return
	}
	if n.isUnwanted(v) {
		v.c.Refuse(wire.Refused{Reason: "policy"})
		v.replyUnattached()
		return
	}
	who := &Peer{OriginOK: v.ca == nil || !v.ca.c.expected[transport.CodePolicy]}
	s, fresh := v.r.handle(context.Background(), v.c, b, &v.packet, who, n.w.now())
	if s == nil {
		v.replyUnattached()
		return
	}
	if fresh {
		n.session(s)
	}
	v.s = s.value.(*simSession)
	if v.stays() {
		v.s.writers = append(v.s.writers, v)
	}
	v.s.perform()
	if v.pre.Kind != transport.KindSocket {
		v.write()
	}
}

// stays reports whether it can send more than one batch.
func (v *simServe) stays() bool {
	return v.pre.Kind == transport.KindSocket || v.pre.Kind == transport.KindStream
}

// isUnwanted reports whether a policy of the server refuses the client. Some clients are refused
// for that, others for their Origin.
func (n *simNode) isUnwanted(v *simServe) bool {
	return v.ca != nil && v.ca.c.expected[transport.CodePolicy] && v.ca.c.cfg.Meta == nil
}

// replyUnattached writes the answer on a carrier without a session.
func (v *simServe) replyUnattached() {
	v.ended = true
	v.ca.down(v, false, v.c.Answer(), true)
}

// receive handles a later frame of a WebSocket.
func (v *simServe) receive(b transport.Batch) {
	if v.ended || v.s == nil || v.s.lost {
		return
	}
	v.s.m.Receive(&v.c.Conn, servermachine.ParseFrame(b, &v.packet, v.r.cfg.MaxBatch), v.s.s.isOver(), v.n.w.now())
	v.s.perform()
}

// Wake is called by the machine when there is something to write. The writer writes it soon.
func (v *simServe) Wake() {
	if x := v.s; x != nil && x.asleep && !v.stays() {
		v.n.w.fail("LIV-07: the next deadline of %s was %v, and it had to answer a %s before",
			x.app.name, x.sleepEnd, v.pre.Kind)
	}
	if v.woken || v.ended {
		return
	}
	v.woken = true
	v.n.w.after(v.n.w.between(0, time.Millisecond), func() {
		v.woken = false
		v.n.do(v.write)
	})
}

// write writes batches until there are no more, as serverConn.writeBatches does.
func (v *simServe) write() {
	var b logs.Batch
	for !v.ended && !v.s.lost {
		if v.ca.stuck(v) { // it continues when there is room
			return
		}
		switch next := v.s.m.Next(&v.c.Conn, &b, v.n.w.now()); next {
		case servermachine.Nothing:
			v.s.perform() // writing may have set a deadline
			v.s.checkPunctual()
			return
		case servermachine.Ended:
			v.s.checkPunctual()
			v.finish(false)
			v.ca.down(v, false, nil, true)
		case servermachine.Wrote, servermachine.WroteLast:
			last := next == servermachine.WroteLast
			v.ca.down(v, b.Batch().Binary, v.addMove(&b), last)
			v.opened = true
			if last {
				v.finish(false)
			}
		}
	}
}

// addMove adds the ?move of simSession.move, if the batch is for the selected attachment.
func (v *simServe) addMove(b *logs.Batch) []byte {
	data, x, ca := simBytes(b), v.s, v.ca
	if !x.moving || v.n.w.quiet || b.Batch().Binary || len(data) > maxForeign-10 || ca == nil || ca.serve != v {
		return data
	}
	down := v.stays() || ca.transport == transport.LongPoll && ca.kind != transport.KindOpen
	if down && ca.att == x.m.Snapshot().Att {
		x.moving = false
		data = wire.AppendControl(data, wire.Move{})
	}
	return data
}

// finish tells the server that the carrier has ended.
func (v *simServe) finish(broken bool) {
	if v.ended {
		return
	}
	v.ended = true
	if v.s == nil || v.s.lost {
		return
	}
	v.s.m.Closed(&v.c.Conn, broken, v.n.w.now())
	v.s.perform()
}
