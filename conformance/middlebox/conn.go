package middlebox

import (
	"net"
	"sync/atomic"
)

// countedConn is a client's connection. It counts bytes, and is cut at a byte if a mode asks for
// that.
type countedConn struct {
	net.Conn
	up, down       atomic.Int64
	cutUp, cutDown int64 // how many bytes may pass; -1: all
	cut            func(why string)
}

func (w *countedConn) Read(p []byte) (int, error) {
	if w.cutUp >= 0 {
		left := w.cutUp - w.up.Load()
		if left <= 0 {
			w.cut("cut up")
			w.reset()
			return 0, net.ErrClosed
		}
		p = p[:min(int64(len(p)), left)]
	}
	n, err := w.Conn.Read(p)
	w.up.Add(int64(n))
	return n, err
}

func (w *countedConn) Write(p []byte) (int, error) {
	if left := w.cutDown - w.down.Load(); w.cutDown >= 0 && int64(len(p)) > left {
		n, _ := w.Conn.Write(p[:max(left, 0)])
		w.down.Add(int64(n))
		w.cut("cut down")
		w.reset()
		return n, net.ErrClosed
	}
	n, err := w.Conn.Write(p)
	w.down.Add(int64(n))
	return n, err
}

// reset ends the connection with RST where it can.
func (w *countedConn) reset() {
	if t, ok := w.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = w.Close()
}
