package session

import (
	"sync/atomic"

	"github.com/holdfast-rt/holdfast/session/internal/logs"
	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

// prepared is a message that is encoded, checked and ready for any number of sessions.
type prepared struct {
	lines logs.Encoded
	size  int // of the payload, in bytes
}

// prepare encodes a message, once. The error is [ErrNotText].
func prepare(m Message) (prepared, error) {
	kind := wire.TextLine
	if m.Binary {
		kind = wire.BinaryLine
	} else if !wire.IsText(m.Data) {
		return prepared{}, ErrNotText
	}
	return prepared{lines: logs.Encode(kind, m.Data), size: len(m.Data)}, nil
}

// prepareShared encodes a message for many sessions of a registry. Whatever their number, its bytes
// are booked as retained once.
func (s *shared) prepareShared(m Message) (prepared, error) {
	p, err := prepare(m)
	if err == nil {
		p.lines.ShareWith(&share{memory: p.lines.Memory(), pool: &s.pool})
	}
	return p, err
}

// share counts the logs that hold a message.
type share struct {
	holders atomic.Int64
	memory  int64 // of the message, in bytes
	pool    *pool
}

// Keep is called when a log begins to hold the message.
func (s *share) Keep() {
	if s.holders.Add(1) == 1 {
		s.pool.add(s.memory)
	}
}

// Release is called when a log lets the message go.
func (s *share) Release() {
	if s.holders.Add(-1) == 0 {
		s.pool.add(-s.memory)
	}
}
