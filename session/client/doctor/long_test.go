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
)

// shortLived is a connection that breaks after a silence, or at an age.
type shortLived struct {
	net.Conn
	idle  time.Duration
	mu    sync.Mutex
	timer *time.Timer
}

func newShortLived(c net.Conn, idle, age time.Duration) *shortLived {
	m := &shortLived{Conn: c, idle: idle}
	m.timer = time.AfterFunc(idle+age, func() { _ = c.Close() })
	return m
}

// restart starts the idle time again.
func (m *shortLived) restart(n int) {
	if m.mu.Lock(); n > 0 && m.idle > 0 && m.timer.Stop() {
		m.timer.Reset(m.idle)
	}
	m.mu.Unlock()
}

func (m *shortLived) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.restart(n)
	return n, err
}

func (m *shortLived) Write(p []byte) (int, error) {
	m.restart(len(p))
	return m.Conn.Write(p)
}

func (m *shortLived) Close() error {
	m.timer.Stop()
	return m.Conn.Close()
}

func TestLong(t *testing.T) {
	for name, c := range map[string]struct {
		idle, age time.Duration
		want      map[string]string
	}{
		"idle": {idle: 12 * time.Second, want: map[string]string{
			"idle-cut": "a connection was cut after 12.0 s of silence", "poll-cut": "ended after 12.0 s",
		}},
		"age": {age: 30 * time.Second, want: map[string]string{"age-limit": "at an age of 30.0 s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, server.Config{}, nil)
				began := time.Now()
				r, err := doctor.Diagnose(t.Context(), p.URL,
					&doctor.Options{
						Long: true,
						DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
							conn, err := p.Dial(ctx, network, addr)
							if err != nil {
								return nil, err
							}
							return newShortLived(conn, c.idle, c.age), nil
						},
					})
				if err != nil || time.Since(began) > 95*time.Second {
					t.Fatalf("Diagnose returned %v after %s", err, time.Since(began))
				}
				states := "impaired impaired impaired"
				if c.idle == 0 {
					states = "impaired impaired fits" // no poll lasts that long
				}
				check(t, r, doctor.Degraded, states, c.want)
			})
		})
	}
}

// When ctx ends, the diagnosis ends within a second, and reports what it knows.
func TestAbort(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 700 * time.Millisecond, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, server.Config{}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			began := time.Now()
			r, err := doctor.Diagnose(ctx, p.URL, &doctor.Options{DialContext: p.Dial})
			if took := time.Since(began); err != nil || took > after+time.Second {
				t.Fatalf("Diagnose returned %v after %s", err, took)
			}
			if len(r.Findings) > 0 {
				t.Errorf("stopped after %s, it has the findings %v", after, r.Findings)
			}
		})
	}
}

func TestWrongURL(t *testing.T) {
	for _, u := range []string{
		"", "holdfast", "ftp://host/", "http://", "http://me:hunter2@host/", "http://host/#a",
		"http://[::1",
	} {
		_, err := doctor.Diagnose(t.Context(), u, nil)
		if err != doctor.ErrURL { //nolint:errorlint // not wrapped, so that it shows nothing of the URL
			t.Errorf("the error of %q is %v", u, err)
		}
	}
}
