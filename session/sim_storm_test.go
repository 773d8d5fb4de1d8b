package session

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// storms has the kinds of harm that this world knows happen, now and then, until it is calm.
func (w *world) storms() {
	if w.rng.IntN(60) == 0 { // this world's first client is not welcome
		w.doom()
	}
	if len(w.weather.storms) == 0 {
		return
	}
	var next func()
	next = func() {
		if w.calm {
			return
		}
		w.storm(pick(w, w.weather.storms...))
		w.after(time.Duration(w.rng.ExpFloat64()*float64(w.weather.every)), next)
	}
	w.after(w.between(0, 2*time.Second), next)
}

// doom makes the server refuse the first client for good.
func (w *world) doom() {
	c := w.clients[0]
	switch code := pick(w, transport.CodePolicy, transport.CodeVersion, transport.CodeAuth); code {
	case transport.CodeAuth:
		c.doomed[code] = true
		c.stale = true
		c.m.cfg.auth = c.credentials()
	default:
		c.doomed[code] = true
	}
	w.tracef("%s is doomed: %v", c.name, c.doomed)
}

// storm does one thing to a carrier, a route or a process.
func (w *world) storm(f simFault) {
	var living []*simClient
	for _, c := range w.clients {
		if !c.gone && !c.over() {
			living = append(living, c)
		}
	}
	if len(living) == 0 {
		return
	}
	c, home := pick(w, living...), w.nodes[0]
	route := w.weather.routes[pick(w, transport.WebSocket, transport.SSE, transport.LongPoll)]
	switch f {
	case faultCut, faultZombie, faultDeaf, faultHoleUp, faultHoleDown, faultHoleBoth:
		if all := c.sorted(); len(all) > 0 {
			pick(w, all...).storm(f)
		}
	case faultDialRefused:
		w.turn(route, simRoute{mode: routeRefused})
	case faultStatus:
		w.turn(route, simRoute{mode: routeStatus})
	case faultSwallow:
		w.turn(route, simRoute{mode: routeSwallow})
	case faultYoung:
		w.turn(route, simRoute{mode: routeYoung})
	case faultHeld:
		w.turn(w.weather.routes[transport.SSE], simRoute{held: true})
	case faultCap:
		w.turn(route, simRoute{most: pick(w, 2048, 2500, 3000, 5000)})
	case faultOutage:
		w.fault(f, "for everybody")
		for _, r := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
			w.turn(w.weather.routes[r], simRoute{mode: pick(w, routeRefused, routeSwallow)})
		}
		for _, c := range living {
			for _, ca := range c.sorted() {
				ca.holeUp, ca.holeDown = true, true
			}
		}
	case faultForce:
		w.force(c)
	case faultMalformed:
		c.breaching = true
	default:
		w.processStorm(f, c, home)
	}
}

// processStorm is harm to processes.
func (w *world) processStorm(f simFault, c *simClient, home *simNode) {
	switch f {
	case faultSlowReader:
		app := c.app
		if s := c.session(); s != nil && w.rng.IntN(2) == 0 {
			app = s.app
		}
		app.slow = w.at + w.between(time.Second, 10*time.Second)
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
		if s := c.session(); s != nil && !s.lost && s.s.server.sel != nil {
			w.fault(f, "%s", s.app.name)
			p := s.s.server.sel
			p.ctl = appendControl(p.ctl, false, nameMove, nil)
			s.s.server.step(w.now())
			s.settle()
			if w.rng.IntN(4) == 0 && c.m.cur != nil { // an application that wants a ticket
				c.m.cur.say(nameTicket, ticketControl{Att: c.m.atts + 1, Recv: c.m.in.recv})
				c.m.tick(w.now())
				c.act()
			}
		}
	case faultForgedUse: // of somebody who has not read opened on that path (HF1-SEL-03)
		if p := c.m.cur; p != nil && p.state == pathOpen && len(p.ctl) < 1000 {
			w.fault(f, "%s/%d of %s", p.way.name, p.att, c.name)
			p.say(nameUse, useControl{U: c.m.u + 1, Att: p.att, Challenge: w.draw(), Recv: c.m.in.recv})
			c.m.tick(w.now())
			c.act()
		}
	case faultWake: // what a platform says, whether it is true or not
		w.fault(f, "%s", c.name)
		on := w.rng.IntN(2) == 0
		c.do(func() {
			if w.rng.IntN(3) == 0 {
				c.m.wake(w.now())
			} else {
				c.m.online(on, w.now())
			}
			c.act()
		})
	case faultClose:
		w.fault(f, "%s", c.name)
		if s := c.session(); s != nil && w.rng.IntN(2) == 0 {
			s.app.close(uint64(pick(w, transport.CodeApplication, transport.CodeDraining)))
			return
		}
		c.app.close(uint64(transport.CodeDone))
	case faultRestartClient:
		w.fault(f, "%s", c.name)
		c.restart()
	case faultRestartServer:
		w.fault(f, "%s", home.name)
		home.restart()
	default: // storm has done the others
	}
}

// storm harms one carrier.
func (ca *simCarrier) storm(f simFault) {
	ca.w.fault(f, "%s %d of %s", ca.kind, ca.id, ca.c.name)
	switch f {
	case faultCut:
		ca.severed(true, true)
	case faultZombie:
		ca.severed(true, false)
	case faultDeaf:
		ca.severed(false, true)
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
	if w.calm {
		return
	}
	*r = to
	w.tracef("routes: ws %+v sse %+v post %+v", *w.weather.routes[transport.WebSocket], *w.weather.routes[transport.SSE], *w.weather.routes[transport.LongPoll])
	w.after(w.between(500*time.Millisecond, pick(w, 3*time.Second, 10*time.Second, 60*time.Second)), func() {
		if !w.calm && *r == to {
			*r = simRoute{}
			w.tracef("routes: one is good again")
		}
	})
}

// force takes the transport in use away for a while.
func (w *world) force(c *simClient) {
	if c.m.cur == nil {
		return
	}
	name := c.m.cur.way.name
	w.fault(faultForce, "%s leaves %s", c.name, name)
	w.turn(w.weather.routes[name], simRoute{mode: routeRefused})
	for _, ca := range c.sorted() {
		if ca.way == name {
			ca.severed(true, w.rng.IntN(2) == 0)
		}
	}
}

// refuseFor has a node refuse for a while.
func (w *world) refuseFor(n *simNode) {
	what := pick(w, "busy", "draining", "new", "auth", "drain", "later")
	w.fault(faultRefuse, "%s: %s", n.name, what)
	switch what {
	case "new":
		n.busy = true
	case "drain":
		n.t.Refuse()
	case "auth": // yesterday's credentials are no longer good
		w.weather.epoch++
		return
	default:
		n.refuse = what
	}
	w.after(w.between(100*time.Millisecond, 4*time.Second), func() {
		n.busy, n.refuse = false, ""
		n.t.draining.Store(false)
	})
}
