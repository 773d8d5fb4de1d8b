package session

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// answered is a conn that keeps what is said on it.
type answered struct {
	oneBatch
	said atomic.Value
}

func (a *answered) Send(b transport.Batch) error {
	var all strings.Builder
	all.WriteString(a.text())
	for _, p := range b.Parts {
		all.Write(p)
	}
	a.said.Store(all.String())
	return nil
}

func (a *answered) text() string {
	s, _ := a.said.Load().(string)
	return s
}

// The transports of one client race: their opens carry one key, and the second comes while the
// application is asked about the first. There is one session, although there is room for one only,
// and both are answered by it.
func TestRacingOpensMakeOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admit := make(chan struct{})
		var asked, sessions, messages atomic.Int64
		r := NewRegistry(RegistryConfig{
			MaxSessions: 1,
			Admit:       func(netip.Addr) bool { asked.Add(1); <-admit; return true },
			OnSession: func(s *Session) {
				sessions.Add(1)
				s.OnMessage(func(Message) { messages.Add(1) })
			},
		})
		var conns []*answered
		for _, att := range []string{"1", "2"} {
			c := &answered{oneBatch: oneBatch{kind: transport.KindOpen}}
			c.oneBatch.text = strings.Replace(plainOpen, `"att":1`, `"att":`+att, 1)
			conns = append(conns, c)
			go r.Serve(t.Context(), c, &Peer{OriginOK: true})
			synctest.Wait()
		}
		close(admit)
		time.Sleep(time.Second)
		for i, c := range conns {
			if !strings.Contains(c.text(), "!opened") {
				t.Errorf("open %d was answered %q", i+1, c.text())
			}
		}
		if asked.Load() != 1 || sessions.Load() != 1 || messages.Load() != 1 {
			t.Errorf("asked %d times, %d sessions, %d messages", asked.Load(), sessions.Load(), messages.Load())
		}
		time.Sleep(5 * time.Minute)
	})
}

// A reservation is given back when the application panics while it is asked, and the next open of
// the same client does not wait for ever.
func TestAdmitPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := true
		r := NewRegistry(RegistryConfig{MaxSessions: 1, Admit: func(netip.Addr) bool {
			if panics {
				panic("admit")
			}
			return true
		}})
		serve := func() (v any) {
			defer func() { v = recover() }()
			r.Serve(t.Context(), &oneBatch{kind: transport.KindOpen, text: plainOpen}, &Peer{OriginOK: true})
			return nil
		}
		if serve() == nil || r.Len() != 0 {
			t.Fatalf("%d sessions are left", r.Len())
		}
		panics = false
		if v := serve(); v != nil || r.Len() != 1 {
			t.Errorf("%d sessions, panic %v", r.Len(), v)
		}
		time.Sleep(5 * time.Minute)
	})
}
