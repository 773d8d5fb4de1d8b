package server

import (
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Open says what an !open holds.
type Open struct {
	Att     uint64 // 0: the next
	U       *uint64
	StandBy bool // no u
	NoRun   bool
	Recv    *uint64
	Batch   int // lim.maxBatch, 0: none stated
	Meta    any
	Auth    any
	Extra   map[string]any // fields added, or replaced; nil removes one
	Lines   []string       // behind the !open
	Header  map[string]string
}

// App is the meta that selects an application of docs/conformance.md.
func App(name string, fields ...any) map[string]any {
	m := map[string]any{"conformance": name}
	for i := 0; i+1 < len(fields); i += 2 {
		m[fields[i].(string)] = fields[i+1]
	}
	return m
}

// OpenLine makes the !open of the next attachment, and remembers what it says.
func (s *Session) OpenLine(o Open) string {
	s.Att++
	if o.Att != 0 {
		s.Att = o.Att
	}
	f := map[string]any{"v": []int{1}, "key": s.Key, "att": s.Att, "recv": s.Recv(), "lim": map[string]any{}}
	if o.Recv != nil {
		f["recv"] = *o.Recv
	}
	if o.Batch != 0 {
		f["lim"] = map[string]any{"maxBatch": o.Batch}
	}
	switch {
	case o.U != nil:
		f["u"] = *o.U
	case !o.StandBy:
		s.U++
		f["u"] = s.U
	}
	if s.Run != "" && !o.NoRun {
		f["run"] = s.Run
	}
	if o.Meta != nil {
		f["meta"] = o.Meta
	}
	if o.Auth != nil {
		f["auth"] = o.Auth
	}
	for name, v := range o.Extra {
		f[name] = v
		if v == nil {
			delete(f, name)
		}
	}
	return wire.JSON("!open", f)
}

// batch writes a batch with the right head.
func (s *Session) batch(address string, lines []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString(wire.Head(s.up+1, s.ack) + address)
	for _, l := range lines {
		b.WriteString(l + "\n")
		if isLog(l) {
			s.up++
		}
	}
	return b.String()
}

func isLog(l string) bool {
	return l != "" && strings.ContainsRune("tb+", rune(l[0])) || strings.HasPrefix(l, "!close")
}

// Win is the window that the server stated, in bytes.
func (s *Session) Win() int { return int(s.Opened.Number("win")) }

// Ping is the ping time that the server stated.
func (s *Session) Ping() time.Duration { return s.time("ping") }

// Hold is the hold time that the server stated.
func (s *Session) Hold() time.Duration { return s.time("hold") }

// TTL is the ttl that the server stated.
func (s *Session) TTL() time.Duration { return s.time("ttl") }

func (s *Session) time(field string) time.Duration {
	return time.Duration(s.Opened.Number(field)) * time.Millisecond
}

// MaxBatch is the server's, in bytes.
func (s *Session) MaxBatch() int { return s.lim("maxBatch") }

// MaxMessage is the server's, in bytes.
func (s *Session) MaxMessage() int { return s.lim("maxMessage") }

func (s *Session) lim(name string) int {
	lim, _ := s.Opened.Fields()["lim"].(map[string]any)
	n, _ := lim[name].(float64)
	return int(n)
}
