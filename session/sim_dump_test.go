package session

// dump traces the state of every machine, which explains a failure.
func (w *world) dump() {
	for _, c := range w.clients {
		if c.gone || c.over() {
			continue
		}
		m := c.m
		w.tracef("%s: on %q, %d bytes buffered, deadline %v, %+v",
			c.name, m.Transport(), m.Buffered(), m.Deadline().Sub(simStart), m.Snapshot())
		for _, ca := range c.sorted() {
			w.tracef("   carrier %d %s of %s/%d dead %v hole up %v down %v", ca.id, ca.kind, ca.transport, ca.att,
				ca.dead, ca.holeUp, ca.holeDown)
		}
		if s := c.session(); s != nil {
			s.dump()
		}
	}
}

func (x *simSession) dump() {
	m := x.m
	x.n.w.tracef("%s: lost %v over %v on %q, %d bytes buffered, deadline %v, %+v", x.app.name, x.lost, x.over(),
		m.Transport(), m.Buffered(), m.Deadline().Sub(simStart), m.Snapshot())
}
