package middlebox

import (
	"errors"
	"io"
)

// sink takes what is relayed in one direction, and then its regular end.
type sink interface {
	write(p []byte) error
	end() error
}

// last is the last sink of a chain: it writes to the peer.
type last struct{ w io.WriteCloser }

func (l *last) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := l.w.Write(p)
	return err
}

func (l *last) end() error { return l.w.Close() }

// oneBehind holds each chunk until the next has come (F10).
type oneBehind struct {
	next sink
	held []byte
}

func (o *oneBehind) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	before := o.held
	o.held = p
	return o.next.write(before)
}

func (o *oneBehind) end() error {
	if err := o.next.write(o.held); err != nil {
		return err
	}
	return o.next.end()
}

var errTooMuch = errors.New("middlebox: more than a buffer holds")

// threshold holds everything until there are so many bytes, or until the end (F08, F09). It holds
// at most maxBody, then it cuts.
type threshold struct {
	next   sink
	limit  int64
	opened func() error // writes the head, which is held too
	held   []byte
}

func (t *threshold) write(p []byte) error {
	t.held = append(t.held, p...)
	if len(t.held) > maxBody {
		return errTooMuch
	}
	if t.limit < 0 || int64(len(t.held)) < t.limit {
		return nil
	}
	return t.flush()
}

func (t *threshold) flush() error {
	if t.opened != nil {
		if err := t.opened(); err != nil {
			return err
		}
		t.opened = nil
	}
	held := t.held
	t.held = nil
	return t.next.write(held)
}

func (t *threshold) end() error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.next.end()
}

// truncate leaves out the last n bytes (F25).
type truncate struct {
	next sink
	n    int
	held []byte
}

func (t *truncate) write(p []byte) error {
	t.held = append(t.held, p...)
	if over := len(t.held) - t.n; over > 0 {
		out := t.held[:over:over]
		t.held = append([]byte(nil), t.held[over:]...)
		return t.next.write(out)
	}
	return nil
}

func (t *truncate) end() error { return t.next.end() }

// swallow drops the first n chunks (F05).
type swallow struct {
	next sink
	n    int64
}

func (s *swallow) write(p []byte) error {
	if s.n > 0 && len(p) > 0 {
		s.n--
		return nil
	}
	return s.next.write(p)
}

func (s *swallow) end() error { return s.next.end() }
