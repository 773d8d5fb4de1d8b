package script

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// stream serves an event stream until it is ended.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, q *Request, p *Attachment) {
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	over := make(chan struct{})
	first := "data:" + "holdfast/1 stream " + q.Nonce + "\n"
	s.mu.Lock()
	if !p.Alive { // a case has killed it after it was opened
		q.Over = time.Now()
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	p.write = func(batch string) error {
		if !p.Alive {
			return nil
		}
		event := first + "data:" + strings.ReplaceAll(strings.TrimSuffix(batch, "\n"), "\n", "\ndata:") + "\ndata:.\n\n"
		first = ""
		if _, err := io.WriteString(w, event); err != nil {
			return err
		}
		return c.Flush()
	}
	p.close = func(int) {
		select {
		case <-over:
		default:
			close(over)
		}
	}
	p.raw = func(raw string) {
		_, _ = io.WriteString(w, raw)
		_ = c.Flush()
	}
	_, _ = fmt.Fprintf(w, ":%s\n\n", strings.Repeat(" ", 2048))
	p.send(s.head(s.Acked+1) + s.Opened(p) + "\n")
	p.keepAlive()
	p.Control(`?beacon {"i":1}`)
	s.flush()
	s.change()
	s.mu.Unlock()
	s.later(300*time.Millisecond, func() {
		if p.Alive {
			p.Control(`?beacon {"i":2}`)
		}
	})
	select {
	case <-over:
	case <-r.Context().Done():
	}
	s.mu.Lock()
	p.noteEnd()
	p.write, p.raw = nil, nil
	q.Over = time.Now()
	s.change()
	s.mu.Unlock()
	if r.Context().Err() == nil && s.Ended == "" {
		panic(http.ErrAbortHandler)
	}
}
