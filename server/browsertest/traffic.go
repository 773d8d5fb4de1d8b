package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-rt/holdfast/session"
)

// schedule is what the page asks for in "meta": numbered messages, ten per second, in two periods
// with a silence between them.
type schedule struct {
	Seconds []int `json:"seconds"` // of traffic, of silence, of traffic
	Bulk    int   `json:"bulk"`    // bytes of every 25th message; the others have 64
}

const between = 100 * time.Millisecond

// due returns when to send message n, counted from the start of the session; false after the last
// one.
func (s *schedule) due(n int) (time.Duration, bool) {
	first := s.Seconds[0] * 10
	at := time.Duration(n) * between
	if n >= first {
		at += time.Duration(s.Seconds[1]) * time.Second
	}
	return at, n < first+s.Seconds[2]*10
}

// text is message n of a session that started at t0: its number, that time, and padding that the
// receiver can check.
func (s *schedule) text(n int, t0 int64) string {
	length := 64
	if n%25 == 24 {
		length = s.Bulk
	}
	head := fmt.Sprintf("%d %d ", n, t0)
	return head + strings.Repeat(string(rune('a'+n%26)), max(0, length-len(head)))
}

// traffic is the application of conformance/zoo: it sends by the schedule, and records what arrives
// and when.
type traffic struct {
	ctx context.Context

	mu      sync.Mutex
	ledgers map[string]*ledger
}

// ledger records the traffic of one session, as the zoo reads it.
type ledger struct {
	schedule schedule
	t0       int64

	mu       sync.Mutex
	Arrived  [][3]int64 `json:"arrived"` // number, time in Unix milliseconds, 1 if the text is what was sent
	Sent     int        `json:"sent"`
	Sessions int        `json:"sessions"`
	Failure  string     `json:"failure"`
}

// start serves a session that asks for traffic; false if it does not.
func (t *traffic) start(s *session.Session) bool {
	var meta struct{ Traffic *schedule }
	if json.Unmarshal(s.Meta(), &meta) != nil || meta.Traffic == nil || len(meta.Traffic.Seconds) != 3 {
		return false
	}
	l := &ledger{schedule: *meta.Traffic, t0: time.Now().UnixMilli(), Arrived: [][3]int64{}}
	t.mu.Lock()
	t.ledgers[s.ID()] = l
	t.mu.Unlock()
	s.OnMessage(l.take)
	go l.feed(t.ctx, s)
	return true
}

func (l *ledger) feed(ctx context.Context, s *session.Session) {
	began := time.Now()
	for n := 0; ; n++ {
		at, more := l.schedule.due(n)
		if !more {
			return
		}
		time.Sleep(time.Until(began.Add(at)))
		_, err := s.Send(ctx, session.Message{Data: []byte(l.schedule.text(n, l.t0))})
		l.mu.Lock()
		l.Sent = n + 1
		if err != nil {
			l.Failure = err.Error()
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *ledger) take(m session.Message) {
	text := string(m.Data)
	head, _, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(head)
	whole := int64(0)
	if err == nil && text == l.schedule.text(n, l.t0) {
		whole = 1
	}
	l.mu.Lock()
	l.Arrived = append(l.Arrived, [3]int64{int64(n), time.Now().UnixMilli(), whole})
	l.mu.Unlock()
}

// report is the ledger of a session in JSON; without an id, the number of sessions.
func (t *traffic) report(id string) ([]byte, error) {
	t.mu.Lock()
	l, sessions := t.ledgers[id], len(t.ledgers)
	t.mu.Unlock()
	if l == nil {
		l = &ledger{Arrived: [][3]int64{}}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Sessions = sessions
	return json.Marshal(l)
}
