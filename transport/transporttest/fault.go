package transporttest

import (
	"net"
	"sync"
	"time"
)

// Action is what happens to one direction of a connection after a number of bytes.
type Action int

const (
	None   Action = iota
	Cut           // the connection is reset, both ways
	End           // this direction ends cleanly (FIN), as if a proxy had given up
	Hole          // every further byte of this direction is lost, without an error
	Drop          // the write that holds the byte is lost, once
	Repeat        // the write that holds the byte is delivered twice, once
)

// Fault is what one direction does wrong. The zero Fault changes nothing.
type Fault struct {
	Action Action
	// After is how many bytes pass unharmed.
	After int64
	// Delay holds each write back by this long before it is delivered.
	Delay time.Duration
}

// Faults are those of a connection: Up is from the client to the server.
type Faults struct{ Up, Down Fault }

// Faulty returns the client's end of a connection that does what f says, at both ends. client must
// be one returned by [Pipe].
func Faulty(client net.Conn, f Faults) net.Conn {
	c := client.(*pipeConn)
	return &faultyConn{pipeConn: c, up: f.Up, down: f.Down}
}

// faultyConn counts the bytes in both directions at the client's end: what the client reads late or
// never is like bytes delayed or lost in the network.
type faultyConn struct {
	*pipeConn

	upMu   sync.Mutex // guards up state; a net.Conn allows writes from several goroutines
	up     Fault
	upSeen int64

	downMu    sync.Mutex
	down      Fault
	downSeen  int64
	downAgain []byte // what a Repeat returns a second time
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.upMu.Lock()
	pass, repeat, act := c.up.apply(&c.upSeen, len(p))
	delay := c.up.Delay
	c.upMu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	if n, err := c.pipeConn.Write(p[:pass]); err != nil {
		return n, err
	}
	if repeat {
		if n, err := c.pipeConn.Write(p); err != nil {
			return n, err
		}
	}
	c.act(act, true)
	return len(p), nil
}

func (c *faultyConn) Read(p []byte) (int, error) {
	for {
		c.downMu.Lock()
		if len(c.downAgain) > 0 {
			n := copy(p, c.downAgain)
			c.downAgain = c.downAgain[n:]
			c.downMu.Unlock()
			return n, nil
		}
		if left := c.down.After - c.downSeen; c.down.Action == Cut || c.down.Action == End {
			if left <= 0 {
				c.downMu.Unlock()
				c.act(c.down.Action, false)
				return c.pipeConn.Read(p)
			}
			p = p[:min(int64(len(p)), left)]
		}
		c.downMu.Unlock()
		n, err := c.pipeConn.Read(p)
		if err != nil || n == 0 {
			return n, err
		}
		c.downMu.Lock()
		pass, repeat, act := c.down.apply(&c.downSeen, n)
		if repeat {
			c.downAgain = append([]byte(nil), p[:n]...)
		}
		delay := c.down.Delay
		c.downMu.Unlock()
		if delay > 0 {
			time.Sleep(delay)
		}
		c.act(act, false)
		if pass > 0 {
			return pass, nil
		}
	}
}

// apply counts n further bytes. It returns how many of them pass, whether they pass a second time,
// and what happens then.
func (f *Fault) apply(seen *int64, n int) (pass int, repeat bool, act Action) {
	before := *seen
	*seen += int64(n)
	if f.Action == None || *seen <= f.After {
		return n, false, None
	}
	pass = int(max(f.After-before, 0))
	switch f.Action {
	case Drop:
		f.Action = None
		return 0, false, None
	case Repeat:
		f.Action = None
		return n, true, None
	default:
		return pass, false, f.Action
	}
}

// act does to the connection what the end of a direction does. A Hole does nothing: only the bytes
// are lost.
func (c *faultyConn) act(a Action, up bool) {
	switch {
	case a == Cut && up:
		c.reset()
	case a == Cut:
		c.in.update(func() { c.in.data = nil }) // what came after the last byte that passes
		c.reset()
	case a == End && up:
		c.out.update(func() { c.out.ended, c.out.lost = true, true })
	case a == End:
		c.in.update(func() { c.in.ended, c.in.data = true, nil })
	}
}
