package client

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-rt/holdfast/session"
)

// Memory keeps what sessions learn of the networks on their way, by endpoint: which transport
// carried the last one, which rest after early deaths, at which silence and at which age paths die,
// which size of batch passes. It only changes what is tried first and how soon a path is pinged or
// replaced, excludes nothing, and is forgotten after a day. It holds no secret. Several sessions
// may share one, and it may be used by many goroutines at once. Its text ([Memory.MarshalText],
// [Memory.UnmarshalText]) may be kept in a file between runs. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	known []remembered // the longest unchanged first
}

type remembered struct {
	Endpoint string          `json:"endpoint"`
	Learned  json.RawMessage `json:"learned"`
}

// memoryBound is how many endpoints are remembered; the one whose memory has not changed for
// longest makes room.
const memoryBound = 64

// MarshalText gives all that is known, as JSON.
func (m *Memory) MarshalText() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return json.Marshal(append([]remembered{}, m.known...))
}

// UnmarshalText takes what MarshalText gave in place of all that is known. The error says that it
// is no such text; then nothing changes.
func (m *Memory) UnmarshalText(text []byte) error {
	var known []remembered
	if err := json.Unmarshal(text, &known); err != nil {
		return fmt.Errorf("client: not the text of a memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = known[max(0, len(known)-memoryBound):]
	return nil
}

// of is the memory of one endpoint; nil without a memory.
func (m *Memory) of(endpoint string) session.Memory {
	if m == nil {
		return nil
	}
	return &endpointMemory{m, endpoint}
}

type endpointMemory struct {
	*Memory
	endpoint string
}

func (m *endpointMemory) Recall() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.known {
		if r.Endpoint == m.endpoint {
			return r.Learned
		}
	}
	return nil
}

func (m *endpointMemory) Remember(learned []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = slices.DeleteFunc(m.known, func(r remembered) bool { return r.Endpoint == m.endpoint })
	m.known = append(m.known[max(0, len(m.known)-memoryBound+1):], remembered{m.endpoint, learned})
}
