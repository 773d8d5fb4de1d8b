package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/session"
)

// crossing is the application that sends a known sequence and records what it receives.
type crossing struct {
	up   []byte
	down []session.Message
	pace time.Duration

	mu      sync.Mutex
	records map[string]*record
}

// newCrossing reads the sequences; without a file there is none.
func newCrossing(up, down string, pace time.Duration) (*crossing, error) {
	c := &crossing{pace: pace, records: make(map[string]*record)}
	if up == "" {
		return c, nil
	}
	var err error
	if c.up, err = os.ReadFile(up); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(down)
	if err != nil {
		return nil, err
	}
	c.down, err = decode(b)
	return c, err
}

// decode reads messages, each a type letter, a length of four bytes, big endian, and that many
// bytes. The digest of a direction is the SHA-256 of the same bytes.
func decode(b []byte) (messages []session.Message, err error) {
	for len(b) > 0 {
		if len(b) < 5 || (b[0] != 't' && b[0] != 'b') {
			return nil, errors.New("no message")
		}
		n := int(binary.BigEndian.Uint32(b[1:]))
		if len(b) < 5+n {
			return nil, errors.New("short message")
		}
		messages = append(messages, session.Message{Data: b[5 : 5+n], Binary: b[0] == 'b'})
		b = b[5+n:]
	}
	return messages, nil
}

// record is what is known about one session.
type record struct {
	mu       sync.Mutex
	order    order
	received hash.Hash
	sent     hash.Hash
	sentN    int
	drained  bool
	failure  string
}

// report is a record, as the test reads it.
type report struct {
	Received     int    `json:"received"`
	Lost         int    `json:"lost"`
	Duplicated   int    `json:"duplicated"`
	OutOfOrder   int    `json:"outOfOrder"`
	ReceivedHash string `json:"receivedHash"`
	Sent         int    `json:"sent"`
	SentHash     string `json:"sentHash"`
	Drained      bool   `json:"drained"`
	Failure      string `json:"failure"`
	Sessions     int    `json:"sessions"`
}

func (c *crossing) start(ctx context.Context, s *session.Session) {
	r := &record{received: sha256.New(), sent: sha256.New()}
	c.mu.Lock()
	c.records[s.ID()] = r
	c.mu.Unlock()
	s.OnMessage(r.take)
	go r.feed(ctx, s, c.down, c.pace)
}

func (c *crossing) report(id string) report {
	c.mu.Lock()
	r, sessions := c.records[id], len(c.records)
	c.mu.Unlock()
	if r == nil {
		return report{Failure: "no such session", Sessions: sessions}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return report{
		Received: r.order.received, Lost: len(r.order.missing), Duplicated: r.order.duplicated,
		OutOfOrder:   r.order.late,
		ReceivedHash: hex.EncodeToString(r.received.Sum(nil)),
		Sent:         r.sentN, SentHash: hex.EncodeToString(r.sent.Sum(nil)),
		Drained: r.drained, Failure: r.failure, Sessions: sessions,
	}
}

// feed sends the whole sequence and waits until the page has acknowledged it.
func (r *record) feed(ctx context.Context, s *session.Session, messages []session.Message, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for _, m := range messages {
		<-tick.C
		if _, err := s.Send(ctx, m); err != nil {
			r.fail(err)
			return
		}
		r.mu.Lock()
		write(r.sent, m)
		r.sentN++
		r.mu.Unlock()
	}
	if err := s.Drained(ctx); err != nil {
		r.fail(err)
		return
	}
	r.mu.Lock()
	r.drained = true
	r.mu.Unlock()
}

func (r *record) fail(err error) {
	r.mu.Lock()
	r.failure = err.Error()
	r.mu.Unlock()
}

func (r *record) take(m session.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	write(r.received, m)
	r.order.take(numberOf(m))
}

func write(h hash.Hash, m session.Message) {
	head := [5]byte{'t'}
	if m.Binary {
		head[0] = 'b'
	}
	binary.BigEndian.PutUint32(head[1:], uint32(len(m.Data)))
	h.Write(head[:])
	h.Write(m.Data)
}

var numbers = regexp.MustCompile(`#(\d+)(?:$|\x00)`)

// numberOf reads the number that the test has put into a message: at the end of a text, in the
// first text chunk of a PNG.
func numberOf(m session.Message) int {
	b := m.Data
	if m.Binary {
		b = b[:min(len(b), 80)]
	} else {
		b = b[max(0, len(b)-12):]
	}
	found := numbers.FindSubmatch(b)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n
}

// order counts what is not in order, by the numbers in the messages.
type order struct {
	received, duplicated, late int

	expected int
	missing  map[int]bool
}

func (o *order) take(n int) {
	if o.missing == nil {
		o.expected, o.missing = 1, make(map[int]bool)
	}
	o.received++
	switch {
	case o.missing[n]:
		delete(o.missing, n)
		o.late++
	case n < o.expected:
		o.duplicated++
	default:
		for ; o.expected < n; o.expected++ {
			o.missing[o.expected] = true
		}
		o.expected++
	}
}
