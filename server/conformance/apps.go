package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-rt/holdfast/session"
)

// maxCount bounds what one source sends.
const maxCount = 1_000_000

// source sends the numbers from 1 to Count, padded with dots to Size bytes.
func source(s *session.Session, m meta) {
	for k := 1; k <= min(m.Count, maxCount); k++ {
		text := strconv.Itoa(k)
		text += strings.Repeat(".", max(0, min(m.Size, 1<<20)-len(text)))
		send(s, session.Message{Data: []byte(text), Binary: m.Binary})
		if _, over := s.Ended(); over {
			return
		}
	}
}

// sink hashes what it receives. It answers the text "digest" with the count and the digest of the
// messages before it.
type sink struct {
	count int
	sum   hash.Hash
}

func (k *sink) take(s *session.Session) func(session.Message) {
	k.sum = sha256.New()
	return func(m session.Message) {
		if !m.Binary && string(m.Data) == "digest" {
			send(s, session.Text(fmt.Sprintf("%d %s", k.count, hex.EncodeToString(k.sum.Sum(nil)))))
			return
		}
		kind := "t"
		if m.Binary {
			kind = "b"
		}
		k.count++
		fmt.Fprintf(k.sum, "%s%d:", kind, len(m.Data))
		k.sum.Write(m.Data)
	}
}

// ends keeps how the last sessions ended, for the application "report".
type ends struct {
	mu    sync.Mutex
	of    map[string]session.End
	order []string
}

const maxEnds = 10_000

func newEnds() *ends { return &ends{of: map[string]session.End{}} }

func (e *ends) add(id string, end session.End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.order) == maxEnds {
		delete(e.of, e.order[0])
		e.order = e.order[1:]
	}
	e.of[id] = end
	e.order = append(e.order, id)
}

// report says what happened to the messages that the application of a session sent. Messages up to
// `delivered` were delivered. The others were not, if `exact` is true; else nobody knows. An object
// without fields means that no such session has ended.
func (e *ends) report(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	end, ok := e.of[id]
	if !ok {
		return "{}"
	}
	// cannot fail: numbers and a bool
	b, _ := json.Marshal(map[string]any{"sent": end.Sent, "delivered": end.Delivered, "exact": end.Exact})
	return string(b)
}
