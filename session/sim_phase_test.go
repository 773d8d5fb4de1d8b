package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

// faultPhase causes faults of this world's profile at random times, until the quiet phase.
func (w *world) faultPhase() {
	if w.rng.IntN(60) == 0 {
		w.rejectFirst()
	}
	if len(w.profile.phase) == 0 {
		return
	}
	var next func()
	next = func() {
		if w.quiet {
			return
		}
		w.cause(pick(w, w.profile.phase...))
		w.after(time.Duration(w.rng.ExpFloat64()*float64(w.profile.every)), next)
	}
	w.after(w.between(0, 2*time.Second), next)
}

// rejectFirst makes the server refuse the first client for ever.
func (w *world) rejectFirst() {
	c := w.clients[0]
	switch code := pick(w, transport.CodePolicy, transport.CodeVersion, transport.CodeAuth); code {
	case transport.CodeAuth:
		c.expected[code] = true
		c.stale = true
		c.cfg.Auth = c.credentials()
		c.makeMachine() // it has not started
	default:
		c.expected[code] = true
	}
	w.tracef("%s is rejected: %v", c.name, c.expected)
}

// cause causes one fault of a carrier, a route or a process.
func (w *world) cause(f simFault) {
	var active []*simClient
	for _, c := range w.clients {
		if !c.gone && !c.over() {
			active = append(active, c)
		}
	}
	if len(active) == 0 {
		return
	}
	c, home := pick(w, active...), w.nodes[0]
	route := w.profile.routes[pick(w, transport.WebSocket, transport.SSE, transport.LongPoll)]
	switch f {
	case faultCut, faultZombie, faultDeaf, faultHoleUp, faultHoleDown, faultHoleBoth:
		if all := c.sorted(); len(all) > 0 {
			pick(w, all...).cause(f)
		}
	case faultDialRefused:
		w.turn(route, simRoute{mode: routeRefused})
	case faultStatus:
		w.turn(route, simRoute{mode: routeStatus})
	case faultSwallow:
		w.turn(route, simRoute{mode: routeSwallow})
	case faultKilledEarly:
		w.turn(route, simRoute{mode: routeKillsEarly})
	case faultHeld:
		w.turn(w.profile.routes[transport.SSE], simRoute{held: true})
	case faultCap:
		w.turn(route, simRoute{maxBatch: pick(w, 2048, 2500, 3000, 5000)})
	case faultOutage:
		w.fault(f, "for all clients")
		for _, r := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
			w.turn(w.profile.routes[r], simRoute{mode: pick(w, routeRefused, routeSwallow)})
		}
		for _, c := range active {
			for _, ca := range c.sorted() {
				ca.holeUp, ca.holeDown = true, true
			}
		}
	case faultForce:
		w.force(c)
	case faultMalformed:
		c.corrupting = true
	default:
		w.causeInProcess(f, c, home)
	}
}

// causeInProcess causes one fault of a process.
func (w *world) causeInProcess(f simFault, c *simClient, home *simNode) {
	switch f {
	case faultSlowReader:
		app := c.app
		if s := c.session(); s != nil && w.rng.IntN(2) == 0 {
			app = s.app
		}
		app.slowUntil = w.at + w.between(time.Second, 10*time.Second)
		w.fault(f, "%s", app.name)
	case faultSleep:
		c.frozen = w.at + w.between(time.Second, pick(w, 3*time.Second, 3*time.Second, 40*time.Second))
		w.fault(f, "%s until %v", c.name, c.frozen)
	case faultPause:
		home.frozen = w.at + w.between(10*time.Millisecond, 2*time.Second)
		w.fault(f, "%s until %v", home.name, home.frozen)
	case faultRefuse:
		w.refuseFor(home)
	case faultMove:
		if s := c.session(); s != nil && !s.lost && s.m.Transport() != "" {
			w.fault(f, "%s", s.app.name)
			s.move()
			if m := c.m.Snapshot(); w.rng.IntN(4) == 0 && m.Att != 0 { // and the application asks for a ticket
				c.inject(m.Att, wire.Ticket{Att: m.Att + 1, Recv: m.Received})
			}
		}
	case faultForgedUse: // from somebody who has not read opened on that attachment (HF1-SEL-03)
		if m := c.m.Snapshot(); m.Att != 0 {
			w.fault(f, "%s/%d of %s", c.m.Transport(), m.Att, c.name)
			c.inject(m.Att, wire.Use{U: m.U + 1, Att: m.Att, Challenge: w.draw(), Recv: m.Received})
		}
	case faultWake: // what the platform says, true or not
		w.fault(f, "%s", c.name)
		on := w.rng.IntN(2) == 0
		c.do(func() {
			if w.rng.IntN(3) == 0 {
				c.m.Wake(w.now())
			} else {
				c.m.SetOnline(on, w.now())
			}
			c.act()
		})
	case faultClose:
		w.fault(f, "%s", c.name)
		if s := c.session(); s != nil && w.rng.IntN(2) == 0 {
			s.app.close(pick(w, transport.CodeApplication, transport.CodeDraining))
			return
		}
		c.app.close(transport.CodeDone)
	case faultRestartClient:
		w.fault(f, "%s", c.name)
		c.restart()
	case faultRestartServer:
		w.fault(f, "%s", home.name)
		home.restart()
	default: // cause handles the others
	}
}

// cause causes one fault of this carrier.
func (ca *simCarrier) cause(f simFault) {
	ca.w.fault(f, "%s %d of %s", ca.kind, ca.id, ca.c.name)
	switch f {
	case faultCut:
		ca.cut(true, true)
	case faultZombie:
		ca.cut(true, false)
	case faultDeaf:
		ca.cut(false, true)
	case faultHoleUp:
		ca.holeUp = true
	case faultHoleDown:
		ca.holeDown = true
	default:
		ca.holeUp, ca.holeDown = true, true
	}
}

// turn changes a route for a while.
func (w *world) turn(r *simRoute, to simRoute) {
	if w.quiet {
		return
	}
	*r = to
	routes := w.profile.routes
	w.tracef("routes: ws %+v sse %+v post %+v",
		*routes[transport.WebSocket], *routes[transport.SSE], *routes[transport.LongPoll])
	w.after(w.between(500*time.Millisecond, pick(w, 3*time.Second, 10*time.Second, 60*time.Second)), func() {
		if !w.quiet && *r == to {
			*r = simRoute{}
			w.tracef("routes: one works again")
		}
	})
}

// force makes the transport in use fail for a while.
func (w *world) force(c *simClient) {
	name := c.m.Transport()
	if name == "" {
		return
	}
	w.fault(faultForce, "%s leaves %s", c.name, name)
	w.turn(w.profile.routes[name], simRoute{mode: routeRefused})
	for _, ca := range c.sorted() {
		if ca.transport == name {
			ca.cut(true, w.rng.IntN(2) == 0)
		}
	}
}

// refuseFor makes a node refuse requests for a while.
func (w *world) refuseFor(n *simNode) {
	what := pick(w, "busy", "draining", "new", "auth", "drain", "later")
	w.fault(faultRefuse, "%s: %s", n.name, what)
	switch what {
	case "new":
		n.busy = true
	case "drain":
		n.r.StopAccepting()
	case "auth": // the credentials of this epoch expire
		w.profile.epoch++
		return
	default:
		n.refuse = what
	}
	w.after(w.between(100*time.Millisecond, 4*time.Second), func() {
		n.busy, n.refuse = false, ""
		n.r.draining.Store(false)
	})
}
