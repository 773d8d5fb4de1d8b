package doctor_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

type piece struct {
	p  []byte
	at time.Time
}

// copyLate copies bytes from one connection to the other, each piece after the delay.
func copyLate(from, to net.Conn, delay time.Duration) {
	late := make(chan piece, 10_000)
	go func() {
		for x := range late {
			time.Sleep(time.Until(x.at))
			_, _ = to.Write(x.p)
		}
		_ = to.Close()
	}()
	defer close(late)
	for {
		p := make([]byte, 32<<10)
		n, err := from.Read(p)
		if n > 0 {
			late <- piece{p[:n], time.Now().Add(delay)}
		}
		if err != nil {
			return
		}
	}
}

// A long delay is not a fault, and must not give a finding. 20 runs each, as goroutines run in
// another order each time.
func TestFar(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 250 * time.Millisecond, 450 * time.Millisecond} {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, server.Config{}, nil)
				var wg sync.WaitGroup
				r, err := doctor.Diagnose(t.Context(), p.URL,
					&doctor.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						c, err := p.Dial(ctx, network, addr)
						if err != nil {
							return nil, err
						}
						time.Sleep(2 * delay)
						near, away := transporttest.Pipe()
						wg.Go(func() { copyLate(c, away, delay) })
						wg.Go(func() { copyLate(away, c, delay) })
						return near, nil
					}})
				if err != nil {
					t.Fatal(err)
				}
				check(t, r, doctor.Good, "fits fits fits", nil)
			})
		}
	}
}
