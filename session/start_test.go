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

// oneBatch is a conn that receives one batch, and drops what is sent.
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

// TestApplicationPanics: a panic in a callback of the application reaches the caller of Serve,
// which can recover. The conn is closed, and no session is left without an application.
func TestApplicationPanics(t *testing.T) {
	blow := func() error { panic(io.ErrUnexpectedEOF) }
	for name, cfg := range map[string]RegistryConfig{
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
					registry := NewRegistry(cfg)
					conn := &oneBatch{kind: kind, text: plainOpen}
					err := func() (err error) {
						defer func() { err, _ = recover().(error) }()
						registry.Serve(t.Context(), conn, &Peer{OriginOK: true})
						return nil
					}()
					if !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("Serve panicked with %v", err)
					}
					synctest.Wait()
					if !conn.closed.Load() {
						t.Error("the conn is still open")
					}
					if n, held := registry.Len(), registry.Retained(); n != 0 || held != 0 {
						t.Errorf("%d sessions and %d bytes are left", n, held)
					}
				})
			})
		}
	}
}

// TestOnSessionIsSlow: a session expires also when its OnSession does not return (HF1-WHO-10).
func TestOnSessionIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		registry := NewRegistry(RegistryConfig{OnSession: func(*Session) { <-stuck }})
		go registry.Serve(t.Context(), &oneBatch{kind: transport.KindOpen, text: plainOpen}, &Peer{OriginOK: true})
		time.Sleep(21 * time.Second)
		if n := registry.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		close(stuck)
	})
}

// TestRefusedOpenMakesNoSession: an !open whose batch breaks a rule is refused, and OnSession is
// not called (HF1-BAT-01).
func TestRefusedOpenMakesNoSession(t *testing.T) {
	open, _, _ := strings.Cut(plainOpen, "thello")
	for name, lines := range map[string]string{
		"a control out of place":      "!ping {\"i\":1}\n",
		"pieces of two types":         "+ta\nbAA==\n",
		"a line after !close":         "!close {\"code\":4100,\"reason\":\"\"}\nta\n",
		"a code that ends no session": "!close {\"code\":4000,\"reason\":\"\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := false
				registry := NewRegistry(RegistryConfig{OnSession: func(*Session) { started = true }})
				conn := &oneBatch{kind: transport.KindOpen, text: open + lines}
				registry.Serve(t.Context(), conn, &Peer{OriginOK: true})
				if n := registry.Len(); started || n != 0 {
					t.Errorf("OnSession was called: %v, and there are %d sessions; want neither", started, n)
				}
			})
		})
	}
}
