package session

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

const (
	memoryFor    = 24 * time.Hour
	rememberEach = time.Second
)

// fact is what is remembered of one transport, in whole milliseconds and bytes; 0: nothing.
type fact struct {
	rest  int64 // a time of day
	rests int64
	idle  int64
	age   int64
	hold  int64
	limit int64
}

// facts is what the client knows now, in the order of its transports.
func (m *clientMachine) facts() []fact {
	all := make([]fact, 0, len(m.ways))
	for _, w := range m.ways {
		f := fact{rests: int64(w.rests), idle: w.idle.Milliseconds(), age: w.age.Milliseconds(), hold: w.hold.Milliseconds(), limit: int64(w.limit.size)}
		if !w.rest.IsZero() {
			f.rest = w.rest.UnixMilli()
		}
		all = append(all, f)
	}
	return all
}

// recall takes up what another session has learned here (HF1-LIV-19). It came from a store that anybody may have written to, so facts are held
// within bounds where they are used.
func (m *clientMachine) recall(now time.Time) {
	var parts []json.RawMessage
	var version, since float64
	var best string
	if json.Unmarshal(m.cfg.memory, &parts) != nil || len(parts) < 4 || json.Unmarshal(parts[0], &version) != nil || version != 1 || json.Unmarshal(parts[1], &since) != nil {
		return
	}
	if age := float64(now.UnixMilli()) - since; age < 0 || age >= float64(memoryFor.Milliseconds()) {
		return
	}
	m.since = time.UnixMilli(int64(since))
	_ = json.Unmarshal(parts[2], &best)
	var byName map[string]json.RawMessage
	_ = json.Unmarshal(parts[3], &byName)
	for _, w := range m.ways {
		if w.name == best {
			m.best = w
		}
		var values []json.RawMessage
		_ = json.Unmarshal(byName[w.name], &values)
		at := func(i int) int64 { return factAt(values, i) }
		if rest := at(0); rest > 0 {
			w.rest = time.UnixMilli(min(rest, now.Add(restMost).UnixMilli()))
		}
		w.rests = int(at(1))
		w.idle, w.age, w.hold = time.Duration(at(2))*time.Millisecond, time.Duration(at(3))*time.Millisecond, time.Duration(at(4))*time.Millisecond
		w.limit.size = int(at(5))
		w.limit.sure = w.limit.size
	}
	m.told, m.toldBest = m.facts(), m.best
}

// factAt is the i-th value, if it is a number that the browser's client takes for a whole one; else 0.
func factAt(values []json.RawMessage, i int) int64 {
	var n float64
	if i >= len(values) || json.Unmarshal(values[i], &n) != nil || n < 0 || n >= 1<<53 {
		return 0
	}
	return int64(n)
}

// remember hands out what the client knows when it has changed, and forgets it after a day: networks change, and what is not tried again
// would be believed for ever.
func (m *clientMachine) remember(now time.Time) {
	if m.due(now, m.since.Add(memoryFor)) {
		for _, w := range m.ways {
			w.idle, w.age, w.hold = 0, 0, 0
		}
		m.since = now
	}
	if !m.cfg.remembers {
		return
	}
	facts := m.facts()
	if m.told == nil {
		m.told = make([]fact, len(facts))
	}
	if slices.Equal(facts, m.told) && m.best == m.toldBest || !m.toldAt.IsZero() && !m.due(now, m.toldAt.Add(rememberEach)) {
		return
	}
	m.told, m.toldBest, m.toldAt = facts, m.best, now
	m.actions = append(m.actions, action{kind: actRemember, memory: m.memory()})
}

// memory writes [1, since, best, {name: [rest, rests, idle, age, hold, limit]}].
func (m *clientMachine) memory() []byte {
	best := ""
	if m.best != nil {
		best = m.best.name
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, w := range m.ways {
		if i > 0 {
			b.WriteByte(',')
		}
		f := m.told[i]
		name, _ := json.Marshal(w.name)
		values, _ := json.Marshal([]int64{f.rest, f.rests, f.idle, f.age, f.hold, f.limit})
		b.Write(append(append(name, ':'), values...))
	}
	b.WriteByte('}')
	text, _ := json.Marshal([]any{1, m.since.UnixMilli(), best, json.RawMessage(b.Bytes())}) // none of it can fail
	return text
}
