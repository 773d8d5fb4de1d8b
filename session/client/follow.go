package client

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/longpoll"
	"github.com/holdfast-rt/holdfast/transport/sse"
	"github.com/holdfast-rt/holdfast/transport/websocket"
)

// line is a session and those that follow it, one at a time.
type line struct {
	o   *Options
	cfg session.DialConfig
	web *http.Client
}

func (l *line) dialers(endpoint string) map[string]transport.Dialer {
	o := l.o
	return map[string]transport.Dialer{
		transport.WebSocket: &websocket.Dialer{URL: endpoint, Header: o.Header, TLSClientConfig: o.TLSClientConfig, NetDialContext: o.DialContext, MaxBatch: o.MaxBatch},
		transport.SSE:       &sse.Dialer{URL: endpoint, Header: o.Header, Client: l.web, MaxBatch: o.MaxBatch},
		transport.LongPoll:  &longpoll.Dialer{URL: endpoint, Header: o.Header, Client: l.web, MaxBatch: o.MaxBatch},
	}
}

func (l *line) dial() *session.Session {
	s := session.Dial(l.cfg)
	if l.o.Renew != nil || l.o.HTTPClient == nil {
		go l.follow(s)
	}
	return s
}

const (
	youngFor = 30 * time.Second // a session that ends sooner is followed more slowly
	waitMost = 30 * time.Second
)

// follow starts the next session when one has ended, as long as a new one is welcome and wanted.
func (l *line) follow(s *session.Session) {
	born, young := time.Now(), 0
	for {
		<-s.Done()
		end, _ := s.Ended()
		if l.o.Renew == nil || end.Code/100 != 42 {
			break
		}
		if time.Since(born) >= youngFor {
			young = 0
		}
		if young > 0 { // the first at once, then after a random time in 0 … min(30 s, 0.5 s × 2^n), as in HF1-LIV-12
			time.Sleep(rand.N(min(500*time.Millisecond<<min(young, 10), waitMost)))
		}
		born, young = time.Now(), young+1
		s = session.Dial(l.cfg)
		l.o.Renew(end, s)
	}
	if l.o.HTTPClient == nil {
		l.web.CloseIdleConnections()
	}
}
