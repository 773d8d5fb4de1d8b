package machine

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

const (
	// MaxAttachments is how many attachments a session may have (HF1-ATT-04).
	MaxAttachments = 4
	// MaxQueuedControls bounds the bytes of answers that wait to be written on an attachment, so
	// that they fit any batch. Beyond it questions stay unanswered: a peer that asks and does not
	// read loses its own answers.
	MaxQueuedControls = 1024
	// ActivityTTL is how long a session counts as active after a log line came or went
	// (HF1-LIV-01).
	ActivityTTL = 30 * time.Second
)

// TransportOf names the transport of a kind of conn.
func TransportOf(k transport.Kind) string {
	switch k {
	case transport.KindSocket:
		return transport.WebSocket
	case transport.KindStream:
		return transport.SSE
	default:
		return transport.LongPoll
	}
}

// PeerMaxBatch is the largest batch that a peer takes, as its limits state it.
func PeerMaxBatch(stated uint64) int {
	const low, high = 2048, 1 << 20
	if stated == 0 {
		return transport.DefaultMaxBatch
	}
	return int(min(max(stated, low), high))
}
