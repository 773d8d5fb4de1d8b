package client_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

// TestStreamRotates: after 4 MiB a stream is replaced by a new one while messages go on, before the
// server ends it (HF1-SSE-07, HF1-SEL-10).
func TestStreamRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, size = 24, 512 << 10
		n := newNetwork(t, newServer(t, server.Config{OnSession: func(s *session.Session) {
			go func() {
				for i := range messages {
					data := make([]byte, size)
					data[0] = byte(i)
					if _, err := s.Send(context.Background(), session.Binary(data)); err != nil {
						t.Error(err)
					}
				}
			}()
		}}))
		var streams, ended atomic.Int32
		s, err := client.Dial(t.Context(), n.URL, &client.Options{
			DialContext: n.Dial, Transports: []string{transport.SSE},
			Trace: func(step session.Trace) {
				switch {
				case step.What == "opened":
					streams.Add(1)
				case step.What == "died" && step.Reason != "left":
					ended.Add(1)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			m, err := s.Receive(t.Context())
			if err != nil || len(m.Data) != size || m.Data[0] != byte(i) {
				t.Fatalf("message %d: %d bytes, %v", i, len(m.Data), err)
			}
		}
		if streams.Load() < 3 || ended.Load() > 0 { // base64 makes 16 MiB of 12
			t.Errorf("%d streams, %d of them ended before the next one was in use", streams.Load(), ended.Load())
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
