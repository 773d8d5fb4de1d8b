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

const (
	minLifetime  = 30 * time.Second // after a session that ends sooner the next one waits longer
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 30 * time.Second
	maxDoublings = 10
)

// renewer starts a session, and the next one when it has ended.
type renewer struct {
	options *Options
	cfg     session.DialConfig
	web     *http.Client
}

func (r *renewer) dialers(endpoint string) map[string]transport.Dialer {
	o := r.options
	return map[string]transport.Dialer{
		transport.WebSocket: &websocket.Dialer{
			URL: endpoint, Header: o.Header, TLSClientConfig: o.TLSClientConfig, NetDialContext: o.DialContext,
			MaxBatch: o.MaxBatch,
		},
		transport.SSE:      &sse.Dialer{URL: endpoint, Header: o.Header, Client: r.web, MaxBatch: o.MaxBatch},
		transport.LongPoll: &longpoll.Dialer{URL: endpoint, Header: o.Header, Client: r.web, MaxBatch: o.MaxBatch},
	}
}

func (r *renewer) start() *session.Session {
	s := session.Dial(r.cfg)
	if r.options.Renew != nil || r.options.HTTPClient == nil {
		go r.follow(s)
	}
	return s
}

// follow starts the next session when one has ended, as long as a new one is welcome and wanted.
func (r *renewer) follow(s *session.Session) {
	started, early := time.Now(), 0 // early ends in a row
	for {
		<-s.Done()
		end, _ := s.Ended()
		if r.options.Renew == nil || end.Code/100 != 42 {
			break
		}
		if time.Since(started) >= minLifetime {
			early = 0
		}
		if early > 0 { // the first at once, then after a random time that grows, as in HF1-LIV-12
			time.Sleep(rand.N(min(firstBackoff<<min(early, maxDoublings), maxBackoff)))
		}
		started, early = time.Now(), early+1
		s = session.Dial(r.cfg)
		r.options.Renew(end, s)
	}
	if r.options.HTTPClient == nil {
		r.web.CloseIdleConnections()
	}
}
