package session

import (
	"bytes"
	"fmt"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// simFault is a kind of fault. The first kinds happen to single batches, each with a rate. The
// others happen to carriers, routes and processes, at random times in the fault phase.
type simFault uint8

const (
	faultFrameLost simFault = iota
	faultRequestLost
	faultReplyLost
	faultDuplicate
	faultLateCopy
	faultReorder
	faultDelay
	faultTruncate
	faultGarble
	faultWrongReply
	faultMisrouted

	phaseFaults // from here on: faults of carriers, routes and processes
)

const (
	faultCut simFault = iota + phaseFaults
	faultZombie
	faultDeaf
	faultHoleUp
	faultHoleDown
	faultHoleBoth
	faultOutage
	faultForce
	faultDialRefused
	faultStatus
	faultSwallow
	faultKilledEarly
	faultHeld
	faultCap
	faultSlowReader
	faultSleep
	faultPause
	faultRefuse
	faultMove
	faultClose
	faultRestartClient
	faultRestartServer
	faultMalformed
	faultForgedUse
	faultWake

	simFaults
)

func (f simFault) String() string {
	return [simFaults]string{
		faultFrameLost:     "frame lost",
		faultRequestLost:   "request lost",
		faultReplyLost:     "reply lost",
		faultDuplicate:     "duplicated request",
		faultLateCopy:      "late copy",
		faultReorder:       "reordered",
		faultDelay:         "delayed",
		faultTruncate:      "truncated",
		faultGarble:        "garbled",
		faultWrongReply:    "reply to another request",
		faultMisrouted:     "misrouted to another node",
		faultCut:           "cut",
		faultZombie:        "half-open zombie",
		faultDeaf:          "half-open at the client",
		faultHoleUp:        "black hole up",
		faultHoleDown:      "black hole down",
		faultHoleBoth:      "black hole both ways",
		faultOutage:        "network away",
		faultForce:         "transport change forced",
		faultDialRefused:   "connection refused",
		faultStatus:        "HTTP status",
		faultSwallow:       "opened and swallowed",
		faultKilledEarly:   "killed at 200 ms",
		faultHeld:          "stream held back",
		faultCap:           "batch above the cap",
		faultSlowReader:    "slow reader",
		faultSleep:         "client asleep",
		faultPause:         "server pause",
		faultRefuse:        "server refuses",
		faultMove:          "move",
		faultClose:         "close in the fault phase",
		faultRestartClient: "client restart",
		faultRestartServer: "server restart",
		faultMalformed:     "malformed on purpose",
		faultForgedUse:     "use without its challenge",
		faultWake:          "woken, offline",
	}[f]
}

// batchOutcome is what happens to one batch on its carrier.
type batchOutcome uint8

const (
	batchPasses batchOutcome = iota
	batchLost
	batchCuts // it breaks the carrier
)

// occurs decides at random whether a fault happens to a batch.
func (w *world) occurs(f simFault) bool { return w.chance(w.profile.rates[f]) }

// tooBig ends a carrier when a batch is above the limit of its route, as middleboxes do. The ends
// may see that or not.
func (ca *simCarrier) tooBig(size int, direction string) bool {
	limit := ca.route.maxBatch
	if limit == 0 || size <= limit {
		return false
	}
	ca.w.fault(faultCap, "%d bytes %s, above %d, on %s %d of %s", size, direction, limit, ca.kind, ca.id, ca.c.name)
	switch ca.w.rng.IntN(3) {
	case 0:
		ca.holeUp, ca.holeDown = true, true
	case 1:
		ca.cut(true, false)
	default:
		ca.cut(true, true)
	}
	return true
}

// disturbUp applies the faults to one batch to the server.
func (ca *simCarrier) disturbUp(
	v *simServe, sent []byte, binary, first bool, at *time.Duration, data *[]byte,
) batchOutcome {
	w, post := ca.w, ca.kind != transport.KindSocket
	if ca.dead || ca.holeUp {
		return batchLost
	}
	if w.occurs(faultDelay) {
		w.fault(faultDelay, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		*at += w.between(100*time.Millisecond, 12*time.Second)
		ca.upAt = *at
	}
	switch {
	case post && w.occurs(faultReorder):
		w.fault(faultReorder, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		*at += w.between(0, time.Second)
	case post && w.occurs(faultRequestLost):
		w.fault(faultRequestLost, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if w.rng.IntN(2) == 0 {
			return batchCuts
		}
		return batchLost
	case !post && w.occurs(faultFrameLost):
		w.fault(faultFrameLost, "up on %d of %s", ca.id, ca.c.name)
		return batchLost
	case w.occurs(faultTruncate):
		w.fault(faultTruncate, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if !post { // half a frame means that the connection broke
			return batchCuts
		}
		*data = sent[:w.rng.IntN(len(sent)-2)]
	case w.occurs(faultGarble):
		w.fault(faultGarble, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if binary {
			return batchCuts // with TLS a changed byte ends the connection
		}
		*data = garbled(w, sent)
	}
	if post && first {
		ca.copyRequest(v, sent, *at)
	}
	return batchPasses
}

// copyRequest makes copies of a request, as a proxy does that tries again, or that delays one for
// a long time.
func (ca *simCarrier) copyRequest(v *simServe, sent []byte, at time.Duration) {
	w := ca.w
	for _, f := range []simFault{faultDuplicate, faultLateCopy} {
		if !w.occurs(f) {
			continue
		}
		w.fault(f, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		twin := &simServe{n: v.n, pre: ca.pre}
		again := at + w.between(0, 300*time.Millisecond)
		if f == faultLateCopy {
			again = at + w.between(time.Second, 60*time.Second)
		} else if w.rng.IntN(3) == 0 { // the client gets the answer to the copy
			twin.ca, ca.serve = ca, twin
		}
		w.when(again, func() {
			twin.n.do(func() {
				ca.arrive(twin, false, sent, true)
				if twin.c != nil && twin.ca == nil {
					w.after(w.between(0, 40*time.Second), func() { twin.n.do(func() { twin.finish(true) }) })
				}
			})
		})
	}
}

// garbled is a batch with a change that can be seen: it is not UTF-8, or another page.
func garbled(w *world, sent []byte) []byte {
	if w.rng.IntN(3) == 0 {
		return []byte("<!doctype html>\n<p>Please log in to this network.\n")
	}
	out := bytes.Clone(sent)
	out[w.rng.IntN(len(out))] = 0xff
	return out
}

// disturbDown applies the faults to one batch to the client.
func (ca *simCarrier) disturbDown(data *[]byte) batchOutcome {
	w := ca.w
	reply := ca.kind != transport.KindSocket && ca.kind != transport.KindStream
	if ca.dead || ca.holeDown {
		return batchLost
	}
	if w.occurs(faultDelay) {
		w.fault(faultDelay, "down on %s %d of %s", ca.kind, ca.id, ca.c.name)
		ca.downAt += w.between(100*time.Millisecond, 12*time.Second)
	}
	switch {
	case reply && w.occurs(faultReplyLost):
		w.fault(faultReplyLost, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if w.rng.IntN(2) == 0 {
			return batchCuts
		}
		ca.dead = true
		return batchLost
	case reply && w.occurs(faultWrongReply): // from a cache, or a proxy that mixes up requests
		w.fault(faultWrongReply, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		*data = bytes.Replace(*data, []byte(ca.pre.Nonce), []byte(w.draw()), 1)
	case ca.kind == transport.KindSocket && w.occurs(faultFrameLost):
		w.fault(faultFrameLost, "down on %d of %s", ca.id, ca.c.name)
		return batchLost
	case w.occurs(faultTruncate):
		w.fault(faultTruncate, "down on %s %d of %s", ca.kind, ca.id, ca.c.name)
		if !reply {
			return batchCuts
		}
		*data = (*data)[:w.rng.IntN(len(*data)-2)]
	case w.occurs(faultGarble):
		w.fault(faultGarble, "down on %s %d of %s", ca.kind, ca.id, ca.c.name)
		if !reply {
			return batchCuts
		}
		*data = garbled(w, *data)
	}
	return batchPasses
}

// misroute sends a carrier to the other node.
func (ca *simCarrier) misroute() {
	if ca.w.occurs(faultMisrouted) {
		ca.w.misrouted++
		ca.w.fault(faultMisrouted, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		ca.node = ca.w.nodes[1]
	}
}

// corrupt makes a batch break a rule of the protocol. That may end the session (HF1-ERR-02), so it
// happens to few clients.
func (w *world) corrupt(ca *simCarrier, data []byte, binary bool) []byte {
	c := ca.c
	if c.expected[transport.CodeVersion] {
		return bytes.Replace(data, []byte(`"v":[1]`), []byte(`"v":[9]`), 1)
	}
	if !c.corrupting || binary || w.quiet || w.rng.IntN(3) > 0 {
		return data
	}
	w.fault(faultMalformed, "%s %d of %s", ca.kind, ca.id, c.name)
	end := 1
	if ca.kind != transport.KindSocket {
		end = bytes.IndexByte(data, '\n') + 2
	}
	if w.rng.IntN(2) == 0 {
		c.expected[transport.CodePosition] = true
		space := end + bytes.IndexByte(data[end:], ' ')
		return []byte(fmt.Sprintf("%s 99%s", data[:space], data[space+1:]))
	}
	c.expected[transport.CodeMalformed] = true
	if i := bytes.IndexByte(data[end:], '\n'); i >= 0 {
		return append(append(bytes.Clone(data[:end+i+1]), "x\n"...), data[end+i+1:]...)
	}
	return data
}
