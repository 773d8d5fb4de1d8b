package session

import (
	"bytes"
	"fmt"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// simFault is a kind of harm. The first ones happen to single batches, by rates; the others in storms, to carriers, routes and processes.
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
	faultStray

	simStorms // the storms begin here
)

const (
	faultCut simFault = iota + simStorms
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
	faultYoung
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
		faultFrameLost: "frame lost", faultRequestLost: "request lost", faultReplyLost: "reply lost", faultDuplicate: "duplicated request", faultLateCopy: "late copy",
		faultReorder: "reordered", faultDelay: "delayed", faultTruncate: "truncated", faultGarble: "garbled", faultWrongReply: "reply to another request", faultStray: "stray to another node",
		simStorms: "cut", faultZombie: "half-open zombie", faultDeaf: "half-open at the client", faultHoleUp: "black hole up", faultHoleDown: "black hole down",
		faultHoleBoth: "black hole both ways", faultOutage: "network away", faultForce: "transport change forced", faultDialRefused: "connection refused", faultStatus: "HTTP status",
		faultSwallow: "opened and swallowed", faultYoung: "killed at 200 ms", faultHeld: "stream held back", faultCap: "batch above the cap", faultSlowReader: "slow reader",
		faultSleep: "client asleep", faultPause: "server pause", faultRefuse: "server refuses", faultMove: "move", faultClose: "close in the storm",
		faultRestartClient: "client restart", faultRestartServer: "server restart", faultMalformed: "malformed on purpose", faultForgedUse: "use without its challenge", faultWake: "woken, offline",
	}[f]
}

type harm uint8

const (
	harmNone harm = iota
	harmLost
	harmCut
)

func (w *world) strike(f simFault) bool { return w.chance(w.weather.rates[f]) }

// tooBig kills a carrier that a batch above its route's cap goes over, the way middleboxes do: with or without a word.
func (ca *simCarrier) tooBig(size int, way string) bool {
	most := ca.route.most
	if most == 0 || size <= most {
		return false
	}
	ca.w.fault(faultCap, "%d bytes %s, above %d, on %s %d of %s", size, way, most, ca.kind, ca.id, ca.c.name)
	switch ca.w.rng.IntN(3) {
	case 0:
		ca.holeUp, ca.holeDown = true, true
	case 1:
		ca.severed(true, false)
	default:
		ca.severed(true, true)
	}
	return true
}

// harmUp is what happens to one batch on its way to the server.
func (ca *simCarrier) harmUp(v *simServe, wire []byte, binary, first bool, at *time.Duration, data *[]byte) harm {
	w, post := ca.w, ca.kind != transport.KindSocket
	if ca.dead || ca.holeUp {
		return harmLost
	}
	if w.strike(faultDelay) {
		w.fault(faultDelay, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		*at += w.between(100*time.Millisecond, 12*time.Second)
		ca.upAt = *at
	}
	switch {
	case post && w.strike(faultReorder):
		w.fault(faultReorder, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		*at += w.between(0, time.Second)
	case post && w.strike(faultRequestLost):
		w.fault(faultRequestLost, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if w.rng.IntN(2) == 0 {
			return harmCut
		}
		return harmLost
	case !post && w.strike(faultFrameLost):
		w.fault(faultFrameLost, "up on %d of %s", ca.id, ca.c.name)
		return harmLost
	case w.strike(faultTruncate):
		w.fault(faultTruncate, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if !post { // a frame that is not whole is none: the connection broke
			return harmCut
		}
		*data = wire[:w.rng.IntN(len(wire)-2)]
	case w.strike(faultGarble):
		w.fault(faultGarble, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if binary {
			return harmCut // what is garbled on TLS ends the connection
		}
		*data = garbled(w, wire)
	}
	if post && first {
		ca.copyRequest(v, wire, *at)
	}
	return harmNone
}

// copyRequest makes copies of a request, as a proxy that tries again does, or whoever holds one up for a long time.
func (ca *simCarrier) copyRequest(v *simServe, wire []byte, at time.Duration) {
	w := ca.w
	for _, f := range []simFault{faultDuplicate, faultLateCopy} {
		if !w.strike(f) {
			continue
		}
		w.fault(f, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		twin := &simServe{n: v.n, pre: ca.pre}
		again := at + w.between(0, 300*time.Millisecond)
		if f == faultLateCopy {
			again = at + w.between(time.Second, 60*time.Second)
		} else if w.rng.IntN(3) == 0 { // it is the copy's answer that is handed on
			twin.ca, ca.serve = ca, twin
		}
		w.when(again, func() {
			twin.n.do(func() {
				ca.arrive(twin, false, wire, true)
				if twin.c != nil && twin.ca == nil {
					w.after(w.between(0, 40*time.Second), func() { twin.n.do(func() { twin.finish(true) }) })
				}
			})
		})
	}
}

// garbled is a change that shows: not UTF-8, or a page of somebody else's.
func garbled(w *world, wire []byte) []byte {
	if w.rng.IntN(3) == 0 {
		return []byte("<!doctype html>\n<p>Please log in to this network.\n")
	}
	out := bytes.Clone(wire)
	out[w.rng.IntN(len(out))] = 0xff
	return out
}

// harmDown is what happens to one batch on its way to the client.
func (ca *simCarrier) harmDown(data *[]byte) harm {
	w := ca.w
	reply := ca.kind != transport.KindSocket && ca.kind != transport.KindStream
	if ca.dead || ca.holeDown {
		return harmLost
	}
	if w.strike(faultDelay) {
		w.fault(faultDelay, "down on %s %d of %s", ca.kind, ca.id, ca.c.name)
		ca.downAt += w.between(100*time.Millisecond, 12*time.Second)
	}
	switch {
	case reply && w.strike(faultReplyLost):
		w.fault(faultReplyLost, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		if w.rng.IntN(2) == 0 {
			return harmCut
		}
		ca.dead = true
		return harmLost
	case reply && w.strike(faultWrongReply): // a cache, or a proxy that mixes up
		w.fault(faultWrongReply, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		*data = bytes.Replace(*data, []byte(ca.pre.Nonce), []byte(w.draw()), 1)
	case ca.kind == transport.KindSocket && w.strike(faultFrameLost):
		w.fault(faultFrameLost, "down on %d of %s", ca.id, ca.c.name)
		return harmLost
	case w.strike(faultTruncate):
		w.fault(faultTruncate, "down on %s %d of %s", ca.kind, ca.id, ca.c.name)
		if !reply {
			return harmCut
		}
		*data = (*data)[:w.rng.IntN(len(*data)-2)]
	case w.strike(faultGarble):
		w.fault(faultGarble, "down on %s %d of %s", ca.kind, ca.id, ca.c.name)
		if !reply {
			return harmCut
		}
		*data = garbled(w, *data)
	}
	return harmNone
}

// stray sends a carrier to the other node.
func (ca *simCarrier) stray() {
	if ca.w.strike(faultStray) {
		ca.w.strays++
		ca.w.fault(faultStray, "%s %d of %s", ca.kind, ca.id, ca.c.name)
		ca.node = ca.w.nodes[1]
	}
}

// breach changes a batch into one that is well transmitted and wrong. That may end the session (HF1-ERR-02), so it is done to few.
func (w *world) breach(ca *simCarrier, data []byte, binary bool) []byte {
	c := ca.c
	if c.doomed[transport.CodeVersion] {
		return bytes.Replace(data, []byte(`"v":[1]`), []byte(`"v":[9]`), 1)
	}
	if !c.breaching || binary || w.calm || w.rng.IntN(3) > 0 {
		return data
	}
	w.fault(faultMalformed, "%s %d of %s", ca.kind, ca.id, c.name)
	end := 1
	if ca.kind != transport.KindSocket {
		end = bytes.IndexByte(data, '\n') + 2
	}
	if w.rng.IntN(2) == 0 {
		c.doomed[transport.CodePosition] = true
		space := end + bytes.IndexByte(data[end:], ' ')
		return []byte(fmt.Sprintf("%s 99%s", data[:space], data[space+1:]))
	}
	c.doomed[transport.CodeMalformed] = true
	if i := bytes.IndexByte(data[end:], '\n'); i >= 0 {
		return append(append(bytes.Clone(data[:end+i+1]), "x\n"...), data[end+i+1:]...)
	}
	return data
}
