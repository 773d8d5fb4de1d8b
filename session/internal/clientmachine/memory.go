package clientmachine

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

const (
	memoryTTL        = 24 * time.Hour
	rememberInterval = time.Second
)

// entries is what the client knows now, in the order of its transports.
func (m *Machine) entries() []entry {
	all := make([]entry, 0, len(m.transports))
	for _, t := range m.transports {
		e := entry{
			cooldowns: int64(t.cooldowns), idle: t.idle.Milliseconds(), age: t.age.Milliseconds(),
			hold: t.hold.Milliseconds(), limit: int64(t.limit.Size()),
		}
		if !t.cooldownUntil.IsZero() {
			e.cooldownUntil = t.cooldownUntil.UnixMilli()
		}
		all = append(all, e)
	}
	return all
}

// recall takes up what another session has learned here (HF1-LIV-19). It came from a store that
// anybody may have written to, so entries are held within bounds where they are used.
func (m *Machine) recall(now time.Time) {
	var parts []json.RawMessage
	var version, since float64
	if json.Unmarshal(m.cfg.Memory, &parts) != nil || len(parts) < 4 {
		return
	}
	if json.Unmarshal(parts[0], &version) != nil || version != 1 || json.Unmarshal(parts[1], &since) != nil {
		return
	}
	if age := float64(now.UnixMilli()) - since; age < 0 || age >= float64(memoryTTL.Milliseconds()) {
		return
	}
	m.learning.since = atMillis(int64(since), now)
	var best string
	_ = json.Unmarshal(parts[2], &best)
	var byName map[string]json.RawMessage
	_ = json.Unmarshal(parts[3], &byName)
	for _, t := range m.transports {
		if t.name == best {
			m.learning.best = t
		}
		var values []json.RawMessage
		_ = json.Unmarshal(byName[t.name], &values)
		t.recall(values, now)
	}
	m.learning.remembered, m.learning.rememberedBest = m.entries(), m.learning.best
}

// atMillis is a time of day, told by the clock of now: if the wall clock is set later it is still as
// far from now as it is at this moment.
func atMillis(wall int64, now time.Time) time.Time {
	return now.Add(time.Duration(wall-now.UnixMilli()) * time.Millisecond)
}

func (t *transportState) recall(values []json.RawMessage, now time.Time) {
	millis := func(i int) time.Duration { return time.Duration(valueAt(values, i)) * time.Millisecond }
	if until := valueAt(values, 0); until > 0 {
		t.cooldownUntil = atMillis(min(until, now.Add(maxCooldown).UnixMilli()), now)
	}
	t.cooldowns = int(valueAt(values, 1))
	t.idle, t.age, t.hold = millis(2), millis(3), millis(4)
	t.limit.Restore(int(valueAt(values, 5)))
}

// valueAt is the i-th value, if it is a number that the browser's client takes for a whole one;
// else 0.
func valueAt(values []json.RawMessage, i int) int64 {
	var n float64
	if i >= len(values) || json.Unmarshal(values[i], &n) != nil || n < 0 || n >= 1<<53 {
		return 0
	}
	return int64(n)
}

// remember gives out what the client knows when it has changed, and forgets it after a day:
// networks change, and what is not tried again would be believed for ever.
func (m *Machine) remember(now time.Time) {
	l := &m.learning
	if m.due(now, l.since.Add(memoryTTL)) {
		for _, t := range m.transports {
			t.idle, t.age, t.hold = 0, 0, 0
		}
		l.since = now
	}
	if !m.cfg.Remembers {
		return
	}
	entries := m.entries()
	if l.remembered == nil {
		l.remembered = make([]entry, len(entries))
	}
	if slices.Equal(entries, l.remembered) && l.best == l.rememberedBest {
		return
	}
	if !l.rememberedAt.IsZero() && !m.due(now, l.rememberedAt.Add(rememberInterval)) {
		return
	}
	l.remembered, l.rememberedBest, l.rememberedAt = entries, l.best, now
	m.emit(Effect{Kind: Remember, Memory: m.memory()})
}

// memory writes [1, since, best, {name: [cooldownUntil, cooldowns, idle, age, hold, limit]}].
func (m *Machine) memory() []byte {
	best := ""
	if m.learning.best != nil {
		best = m.learning.best.name
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, t := range m.transports {
		if i > 0 {
			b.WriteByte(',')
		}
		e := m.learning.remembered[i]
		name, _ := json.Marshal(t.name)
		values, _ := json.Marshal([]int64{e.cooldownUntil, e.cooldowns, e.idle, e.age, e.hold, e.limit})
		b.Write(append(append(name, ':'), values...))
	}
	b.WriteByte('}')
	// None of it can fail.
	text, _ := json.Marshal([]any{1, m.learning.since.UnixMilli(), best, json.RawMessage(b.Bytes())})
	return text
}
