package client

import (
	"math/rand/v2"
	"net/http"
	"sync"
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

	// lastRequests is how long after its end the last requests of a session are over: only then are
	// their connections idle.
	lastRequests = 2 * time.Second
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
		transport.SSE: dialer{
			&sse.Dialer{URL: endpoint, Header: o.Header, Client: r.web, MaxBatch: o.MaxBatch},
		},
		transport.LongPoll: dialer{
			&longpoll.Dialer{URL: endpoint, Header: o.Header, Client: r.web, MaxBatch: o.MaxBatch},
		},
	}
}

// running is a session and whether its application still wants one.
type running struct {
	session  *session.Session
	unwanted chan struct{} // closed when the application closes the session, also one that has ended
}

func (r *renewer) start() running {
	cfg, unwanted := r.cfg, make(chan struct{})
	cfg.OnLocalClose = sync.OnceFunc(func() { close(unwanted) })
	return running{session.Dial(cfg), unwanted}
}

// follow has the next session started when one has ended, as long as a new one is welcome and
// wanted.
func (r *renewer) follow(s running) {
	switch {
	case r.options.Renew != nil:
		go r.renew(s)
	case r.options.HTTPClient == nil:
		go r.release(s)
	}
}

// release waits for the end of a session that none follows, and leaves nothing behind.
func (r *renewer) release(s running) {
	<-s.session.Done()
	if r.options.HTTPClient != nil {
		return
	}
	r.web.CloseIdleConnections()
	time.AfterFunc(lastRequests, r.web.CloseIdleConnections)
}

func (r *renewer) renew(s running) {
	started, early := time.Now(), 0 // early ends in a row
	for {
		<-s.session.Done()
		end, _ := s.session.Ended()
		if time.Since(started) >= minLifetime {
			early = 0
		}
		if end.Code/100 != 42 || !s.pause(early) {
			r.release(s)
			return
		}
		started, early = time.Now(), early+1
		s = r.start()
		r.options.Renew(end, s.session)
	}
}

// pause waits before the next session is started: for a random time that grows, as in HF1-LIV-12,
// so that a server that drains does not have all its clients back at once. False: no other is
// wanted.
func (s *running) pause(early int) bool {
	select {
	case <-s.unwanted:
		return false
	default:
	}
	timer := time.NewTimer(rand.N(min(firstBackoff<<min(early, maxDoublings), maxBackoff)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.unwanted:
		return false
	}
}
