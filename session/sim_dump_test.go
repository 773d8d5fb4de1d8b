package session

// dump traces what every machine thinks, for whoever reads a failure.
func (w *world) dump() {
	for _, c := range w.clients {
		if c.gone || c.over() {
			continue
		}
		m := c.m
		w.tracef("%s: up base %d sent %d last %d bytes %d of %d known %d; down recv %d taken %d told %d; u %d heard %d; deadline %v", c.name, m.out.base, m.out.sent, m.out.last(), m.out.bytes(), m.win, m.known,
			m.in.recv, m.in.taken, m.in.told, m.u, m.heard, m.deadline.Sub(simStart))
		for _, p := range m.paths {
			w.tracef("   %s/%d state %d cur %v pos %d suspect %v detached %v useBy %v ping %d proven %v limit %d ctl %q", p.way.name, p.att, p.state, p == m.cur, p.pos, p.suspect, p.detached, p.useBy, p.pingI, p.proven, p.way.limit, p.ctl)
		}
		for _, x := range m.conns {
			ca := c.carriers[x.id]
			w.tracef("   carrier %d %s by %v %+v", x.id, x.kind, x.by.Sub(simStart), ca != nil && ca.dead)
		}
		if s := c.session(); s != nil {
			s.dump()
		}
	}
}

func (x *simSession) dump() {
	m := x.s.server
	x.n.w.tracef("%s: lost %v over %v down base %d sent %d last %d bytes %d of %d; up recv %d taken %d told %d queue %d pieces %d; u %d sel %d; deadline %v", x.app.name, x.lost, m.over != nil, m.out.base, m.out.sent, m.out.last(),
		m.out.bytes(), m.cfg.win, m.in.recv, m.in.taken, m.in.told, len(m.in.queue)-m.in.head, m.in.pieces, m.u, m.selAt, m.deadline.Sub(simStart))
	for _, p := range m.paths {
		x.n.w.tracef("   %s/%d pos %d sel %v polls %d conn %v p %d max %d limit %+v ctl %q", p.kind, p.att, p.pos, p == m.sel, len(p.polls), p.conn != nil, p.p, p.maxBatch, *m.limit(p), p.ctl)
	}
}
