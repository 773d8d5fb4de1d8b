package session

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/clientmachine"
	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const (
	defaultBuffer = 8 << 20
	// earlyWindow bounds the bytes in flight until opened tells the server's window.
	earlyWindow = 2 << 20
	// defaultMaxMessage is the most that a server may be set to.
	defaultMaxMessage = 16 << 20
)

// Dial starts a client's session and returns at once: messages may be sent before anything is open.
// The session keeps itself connected until it ends: see Done, OnClose, Close. One whose
// configuration cannot work has ended, with [transport.CodeMalformed].
func Dial(cfg DialConfig) *Session {
	cfg.Transports = transportsOf(cfg)
	mc := clientmachine.Config{
		Key: newKey(), Transports: cfg.Transports,
		MaxBatch:   clamp(or(cfg.MaxBatch, transport.DefaultMaxBatch), 2048, logs.MaxBatch),
		MaxMessage: or(cfg.MaxMessage, defaultMaxMessage),
		Buffer:     int64(or(cfg.Buffer, defaultBuffer)), Window: earlyWindow,
		Meta: bytes.Clone(cfg.Meta), AwaitAuth: cfg.Auth != nil, Random: mathrand.Float64,
	}
	if cfg.Memory != nil {
		mc.Memory, mc.Remembers = cfg.Memory.Recall(), true
	}
	s := newClientSession(clientmachine.New(mc), cfg)
	if fault := faultOf(cfg); fault != "" {
		s.update(func(time.Time) { s.machine.End(transport.CodeMalformed, fault) })
		return &s.Session
	}
	s.update(s.machine.Start)
	if cfg.Auth != nil { // nothing is sent without credentials
		go s.authorize()
	}
	return &s.Session
}

// faultOf tells what of a configuration cannot work, "" if nothing.
func faultOf(cfg DialConfig) string {
	isUnknown := func(name string) bool { return cfg.Dialers[name] == nil }
	switch {
	case cfg.Meta != nil && !wire.IsJSON(cfg.Meta):
		return "meta is not JSON"
	case len(cfg.Transports) == 0 || slices.ContainsFunc(cfg.Transports, isUnknown):
		return "a transport has no dialer"
	}
	return ""
}

func newKey() string {
	key := make([]byte, wire.KeyBytes)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(key)
}

func transportsOf(cfg DialConfig) []string {
	if len(cfg.Transports) > 0 {
		return slices.Clone(cfg.Transports)
	}
	all := []string{transport.WebSocket, transport.SSE, transport.LongPoll}
	return slices.DeleteFunc(all, func(name string) bool { return cfg.Dialers[name] == nil })
}
