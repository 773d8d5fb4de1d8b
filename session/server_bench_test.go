package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/servermachine"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
	"github.com/holdfast-rt/holdfast/transport"
)

const testKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

// The first batches of conns: KEY and RUN are replaced by bench.first.
const (
	openOne = "@1 0\n" + `!open {"v":[1],"key":"KEY","att":1,"u":1,"recv":0,"lim":{}}` + "\n"
	openTwo = "@1 0\n" + `!open {"v":[1],"key":"KEY","run":"RUN","att":2,"u":2,"recv":0,"lim":{}}` + "\n"
	upOne   = "@1 0\n" + `!up {"key":"KEY","run":"RUN","att":1}` + "\n"
)

// upFrom is upOne with lines from number first on.
func upFrom(first int) string { return strings.Replace(upOne, "@1", fmt.Sprintf("@%d", first), 1) }

// bench is a Registry to which a test gives batches and the time, without a network or a clock.
type bench struct {
	t        *testing.T
	registry *Registry
	now      time.Time
	run      string
	s        *serverSession
	cfg      servermachine.Config
	conn     *serverConn // for those tests that need one only
}

func newBench(t *testing.T, cfg RegistryConfig) *bench {
	b := &bench{t: t, registry: NewRegistry(cfg), now: simStart}
	b.cfg = b.registry.machineConfig()
	n := 0
	b.configure(func(cfg *servermachine.Config) {
		cfg.Random = func() string { n++; return fmt.Sprintf("random%016d", n) }
	})
	b.run = "random0000000000000001"
	return b
}

// configure changes the rules of the machines that are made from now on.
func (b *bench) configure(change func(*servermachine.Config)) {
	change(&b.cfg)
	b.registry.rules = servermachine.NewRules(b.cfg)
}

// first gives the first batch of a new conn. KEY and RUN in the text are replaced.
func (b *bench) first(kind transport.Kind, text string) *serverConn {
	b.t.Helper()
	c := new(serverConn)
	c.Init(kind, c)
	text = strings.NewReplacer("KEY", testKey, "RUN", b.run).Replace(text)
	batch, peer := simBatch(false, []byte(text)), &Peer{OriginOK: true}
	s, _ := b.registry.handle(context.Background(), c, batch, new(wire.Packet), peer, b.now)
	if s != nil {
		b.s = s
	}
	return c
}

// next is the next batch that the conn has to send, "" if there is none.
func (b *bench) next(c *serverConn) string {
	if c.s == nil {
		return string(c.Answer())
	}
	var out logs.Batch
	switch c.s.machine.Next(&c.Conn, &out, b.now) {
	case servermachine.Wrote, servermachine.WroteLast:
		return string(simBytes(&out))
	case servermachine.Nothing, servermachine.Ended:
	}
	return ""
}

// frame gives a later batch of the WebSocket.
func (b *bench) frame(c *serverConn, text string) {
	frame := servermachine.ParseFrame(simBatch(false, []byte(text)), new(wire.Packet), b.registry.cfg.MaxBatch)
	b.s.machine.Receive(&c.Conn, frame, false, b.now)
}

func (b *bench) send(text string) {
	b.s.machine.Send(logs.Encode(wire.TextLine, []byte(text)), b.now)
}

func (b *bench) tick() { b.s.machine.Tick(b.now) }

func ended(m *servermachine.Machine) bool {
	_, ok := m.Ending()
	return ok
}

// want fails the test unless the next batch of the conn contains all parts.
func (b *bench) want(c *serverConn, parts ...string) {
	b.t.Helper()
	got := b.next(c)
	for _, p := range parts {
		if !strings.Contains(got, p) {
			b.t.Fatalf("the server wrote %.300q, which does not contain %q", got, p)
		}
	}
}
