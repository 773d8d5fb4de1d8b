package session

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// oneBatch is a carrier that brings one batch and takes what is said.
type oneBatch struct {
	kind   transport.Kind
	text   string
	closed atomic.Bool
}

func (o *oneBatch) Kind() transport.Kind               { return o.kind }
func (o *oneBatch) Send(transport.Batch) error         { return nil }
func (o *oneBatch) Close(transport.Code, string) error { o.closed.Store(true); return nil }
func (o *oneBatch) Receive() (transport.Batch, error) {
	return simBatch(false, []byte(strings.ReplaceAll(o.text, "KEY", testKey))), nil
}

const plainOpen = "@1 0\n" + `!open {"v":[1],"key":"KEY","att":1,"u":1,"recv":0,"lim":{}}` + "\nthello\n"

// TestApplicationPanics: what the application's callbacks panic with reaches the caller of Serve, which can recover; the carrier is ended, and
// no session is left without an application.
func TestApplicationPanics(t *testing.T) {
	blow := func() error { panic(io.ErrUnexpectedEOF) }
	for name, cfg := range map[string]TableConfig{
		"Authenticate": {Authenticate: func(context.Context, *Handshake) (string, error) { return "", blow() }},
		"OnSession":    {OnSession: func(*Session) { _ = blow() }},
		"OnSession, with callbacks": {OnSession: func(s *Session) {
			s.OnMessage(func(Message) {})
			_ = blow()
		}},
	} {
		for _, kind := range []transport.Kind{transport.KindOpen, transport.KindStream, transport.KindSocket} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tab := NewTable(cfg)
					conn := &oneBatch{kind: kind, text: plainOpen}
					err := func() (err error) {
						defer func() { err, _ = recover().(error) }()
						tab.Serve(t.Context(), conn, &Peer{OriginOK: true})
						return nil
					}()
					if !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("Serve panics with %v", err)
					}
					synctest.Wait()
					if !conn.closed.Load() {
						t.Error("the carrier is open")
					}
					if n, held := tab.Len(), tab.Retained(); n != 0 || held != 0 {
						t.Errorf("%d sessions are left, %d bytes", n, held)
					}
				})
			})
		}
	}
}

// TestOnSessionIsSlow: a session whose OnSession does not return expires as any other (HF1-WHO-10).
func TestOnSessionIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		tab := NewTable(TableConfig{OnSession: func(*Session) { <-stuck }})
		go tab.Serve(t.Context(), &oneBatch{kind: transport.KindOpen, text: plainOpen}, &Peer{OriginOK: true})
		time.Sleep(unrepeatedFor + time.Second)
		if n := tab.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		close(stuck)
	})
}

// TestRefusedOpenBeginsNothing: an !open whose batch breaks a rule is refused, and no application hears of it (HF1-BAT-01).
func TestRefusedOpenBeginsNothing(t *testing.T) {
	open, _, _ := strings.Cut(plainOpen, "thello")
	for name, lines := range map[string]string{
		"a control out of place":      "!ping {\"i\":1}\n",
		"pieces of two types":         "+ta\nbAA==\n",
		"a line after !close":         "!close {\"code\":4100,\"reason\":\"\"}\nta\n",
		"a code that ends no session": "!close {\"code\":4000,\"reason\":\"\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := false
				tab := NewTable(TableConfig{OnSession: func(*Session) { begun = true }})
				tab.Serve(t.Context(), &oneBatch{kind: transport.KindOpen, text: open + lines}, &Peer{OriginOK: true})
				if n := tab.Len(); begun || n != 0 {
					t.Errorf("begun %v, %d sessions", begun, n)
				}
			})
		})
	}
}
