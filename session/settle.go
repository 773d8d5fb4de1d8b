package session

import "time"

// followUp is what is to be done after the lock is released: it may block or call back.
type followUp struct {
	s       *Session
	wake    [4]*serverConn // the common case without allocation
	more    []*serverConn
	n       int
	actions []action
	deliver bool
	ended   bool
	due     time.Time
}

// settle reads what an event has brought about. It is called under the lock after every event, and its result is run without it.
func (s *Session) settle() (f followUp) {
	f.s = s
	if s.server != nil {
		for _, c := range s.server.wake {
			if c.w == nil {
				continue
			}
			if f.n < len(f.wake) {
				f.wake[f.n] = c
				f.n++
			} else {
				f.more = append(f.more, c)
			}
		}
		clear(s.server.wake)
		s.server.wake = s.server.wake[:0]
		f.due = s.server.deadline
		s.book()
	} else {
		f.actions = append(f.actions, s.client.m.drain()...)
		f.due = s.client.m.deadline
	}
	if s.changed != nil { // waiters look again; a waiter is rare
		close(s.changed)
		s.changed = nil
	}
	if s.m.ended() != nil && !s.timer.over {
		s.timer.over, f.ended = true, true
		if s.done != nil {
			close(s.done)
		} else {
			s.done = closedChan
		}
	}
	if !s.delivering && s.deliverable() {
		s.delivering, f.deliver = true, true
	}
	return f
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// book keeps the table's sum of retained bytes.
func (s *Session) book() {
	out, in := s.m.logs()
	n := out.bytes() + in.held
	if s.m.ended() != nil {
		n = 0
	}
	if n != s.booked {
		s.table.retained.Add(n - s.booked)
		s.booked = n
	}
}

// run does it.
func (f *followUp) run() {
	s := f.s
	for _, c := range f.wake[:f.n] {
		c.w.wake(c)
	}
	for _, c := range f.more {
		c.w.wake(c)
	}
	for i := range f.actions {
		s.client.do(&f.actions[i])
	}
	if s.table != nil {
		if f.ended {
			s.table.stopTimer(s)
			s.table.bury(s, time.Now())
		} else {
			s.table.setTimer(s, f.due)
		}
	} else {
		s.client.setTimer(f.due, f.ended)
	}
	if f.deliver { // delivering is set, so nobody else touches deliverer
		if s.deliverer == nil {
			s.deliverer = s.deliver
		}
		go s.deliverer()
	}
}
