package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

func pollText(p int, more string) string {
	return fmt.Sprintf("@1 0\n!poll {\"key\":\"KEY\",\"run\":\"RUN\",\"att\":1,\"p\":%d,\"recv\":0}\n%s", p, more)
}

// HF1-LIV-03: the server ends a long-poll attachment that sends nothing after its last poll.
func TestIdleLongPollIsEnded(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	c := b.first(transport.KindPoll, pollText(1, ""))
	b.send("x")
	b.want(c, "tx\n")
	for range 100 {
		if d := b.s.machine.Deadline(); !d.IsZero() && d.Sub(simStart) < 61*time.Second {
			b.now = d
			b.tick()
		}
	}
	b.want(b.first(transport.KindPoll, pollText(2, "")), "!detach", `"gone":true`)
}

// HF1-POL-03: a poll that carries a ping is answered soon, with the pong.
func TestPollWithPing(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	c := b.first(transport.KindPoll, pollText(1, "!ping {\"i\":7}\n"))
	b.now = b.now.Add(50 * time.Millisecond)
	b.tick()
	b.want(c, `!pong {"i":7}`)
}

// HF1-ATT-02, HF1-POL-02: a repeated open of the same attachment ends its polls, and only a few
// copies of a poll may hang.
func TestPollsAreReplaced(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	var hanging []*serverConn
	for range 4 + 1 {
		hanging = append(hanging, b.first(transport.KindPoll, pollText(1, "")))
	}
	for i, c := range hanging[:4] {
		if b.next(c) == "" {
			t.Errorf("copy %d of the poll still hangs", i)
		}
	}
	last := hanging[4]
	if got := b.next(last); got != "" {
		t.Errorf("the newest copy of the poll was answered with %q", got)
	}
	b.want(b.first(transport.KindOpen, openOne), "!opened")
	b.want(last, "!reply")
}

// HF1-POL-03: a poll that ends its own attachment is answered.
func TestPollThatDetaches(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	b.want(b.first(transport.KindPoll, pollText(1, "!detach {\"code\":4004}\n")), "!detach", `"gone":true`)
}

// HF1-POL-02: each copy of a poll gets the same answer.
func TestCopiesOfAPollAgree(t *testing.T) {
	b := newBench(t, RegistryConfig{})
	b.next(b.first(transport.KindOpen, openOne))
	one, two := b.first(transport.KindPoll, pollText(1, "")), b.first(transport.KindPoll, pollText(1, ""))
	b.next(b.first(transport.KindSocket, strings.Replace(openOne, `"att":1,"u":1`, `"run":"RUN","att":2,"u":2`, 1)))
	b.want(one, `!detach {"code":4001}`)
	b.want(two, `!detach {"code":4001}`)
}
