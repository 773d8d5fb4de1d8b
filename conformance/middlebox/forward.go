package middlebox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"time"
)

// forward asks the server and passes the answer on, changed by the modes for HTTP.
func (x *exchange) forward() (again bool, err error) {
	key := x.name + " " + x.req.RequestURI
	if _, ok := x.mode("cache"); ok {
		if a := x.box.store.get(key); a != nil {
			return true, x.replay(a)
		}
	}
	if _, ok := x.mode("coalesce"); ok {
		a, first := x.box.store.join(x.ctx, key)
		if a != nil {
			return true, x.replay(a)
		}
		if first {
			defer x.box.store.leave(key)
		}
	}
	res, status, err := x.fetch()
	if status != 0 {
		return x.answer(status, false), nil
	}
	if err != nil {
		return x.answer(http.StatusBadGateway, false), nil
	}
	defer res.Body.Close()
	return x.pass(res, key)
}

// fetch asks the server as often as the modes want. If status is not 0, it is what to answer
// instead.
func (x *exchange) fetch() (res *http.Response, status int, err error) {
	if _, ok := x.mode("retry"); ok {
		if res, _, _, err := x.ask(); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
		}
	}
	for _, name := range []string{"duplicate", "late-copy"} {
		if m, ok := x.mode(name); ok {
			x.copyLater(m.After)
		}
	}
	timeout := make(chan struct{})
	if m, ok := x.mode("gateway-timeout"); ok {
		t := time.AfterFunc(m.After, func() { close(timeout); x.closeServers() })
		defer t.Stop()
	}
	res, _, _, err = x.ask()
	select {
	case <-timeout:
		return nil, http.StatusGatewayTimeout, nil
	default:
		return res, 0, err
	}
}

// copyLater sends the request once more and drops the answer. The copy may go on when the request
// is over.
func (x *exchange) copyLater(after time.Duration) {
	late := &exchange{box: x.box, client: x.client, req: x.req, body: x.body, kind: x.kind, modes: x.modes}
	late.ctx, late.cancel = context.WithCancel(x.box.ctx)
	go func() {
		stop := context.AfterFunc(late.ctx, late.closeServers)
		defer stop()
		defer late.closeServers()
		defer late.cancel()
		if !late.sleep(after) {
			return
		}
		if res, _, _, err := late.ask(); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
		}
	}()
}

// pass sends the answer to the client: its head at once, its body through the modes.
func (x *exchange) pass(res *http.Response, key string) (again bool, err error) {
	for _, m := range x.modes {
		switch m.Name {
		case "strip-reply":
			res.Header.Del(m.Text)
		case "add-reply":
			name, value, _ := strings.Cut(m.Text, "=")
			res.Header.Set(name, value)
		}
	}
	kept := &answer{status: res.StatusCode, header: res.Header.Clone()}
	var copied bytes.Buffer
	var body io.WriteCloser
	again = true
	_, old := x.mode("http10")
	_, truncated := x.mode("truncate")
	res.Header.Del("Connection")
	switch {
	case old:
		res.Header.Del("Content-Length")
		res.Header.Set("Connection", "close")
		body, again = plain{x.client}, false
	case res.ContentLength >= 0 && !truncated:
		res.Header.Set("Content-Length", strconv.FormatInt(res.ContentLength, 10))
		body = plain{x.client}
	default:
		res.Header.Del("Content-Length")
		res.Header.Set("Transfer-Encoding", "chunked")
		body = chunked{httputil.NewChunkedWriter(x.client), x.client}
	}
	head := func() error {
		m, slow := x.mode("sse-accept")
		if slow && !strings.Contains(x.req.Header.Get("Accept"), "text/event-stream") && !x.sleep(m.After) {
			return errCut
		}
		return x.writeHead(res, old)
	}
	_, keepsCache := x.mode("cache")
	_, keepsJoin := x.mode("coalesce")
	from := io.Reader(res.Body)
	if keepsCache || keepsJoin {
		from = io.TeeReader(io.LimitReader(res.Body, maxBody), &copied)
	}
	if err := x.pump(x.bytesOf(from), body, head, res.StatusCode == http.StatusNoContent); err != nil {
		return false, err
	}
	if kept.body = copied.Bytes(); keepsCache || keepsJoin {
		x.box.store.put(key, kept, keepsCache)
	}
	return again, nil
}

func (x *exchange) writeHead(res *http.Response, old bool) error {
	var out bytes.Buffer
	proto := "HTTP/1.1"
	if old {
		proto = "HTTP/1.0"
	}
	fmt.Fprintf(&out, "%s %d %s\r\n", proto, res.StatusCode, http.StatusText(res.StatusCode))
	if res.StatusCode == http.StatusNoContent {
		res.Header.Del("Transfer-Encoding")
	}
	_ = res.Header.Write(&out)
	out.WriteString("\r\n")
	_, err := x.client.Write(out.Bytes())
	return err
}

// plain is a body whose length is known, or which ends with the connection.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// chunked is a body in chunks; an empty chunk ends it.
type chunked struct {
	io.WriteCloser
	conn io.Writer
}

func (c chunked) Close() error {
	if err := c.WriteCloser.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(c.conn, "\r\n")
	return err
}

// answer is a whole answer that was kept.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (x *exchange) replay(a *answer) error {
	x.box.logf("answered from store: %s %s", x.name, x.req.RequestURI)
	h := a.header.Clone()
	h.Del("Connection")
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if err := x.writeHead(&http.Response{StatusCode: a.status, Header: h}, false); err != nil {
		return err
	}
	_, err := x.client.Write(a.body)
	return err
}

// answers is what a careless cache keeps, and who waits for which answer. It keeps one answer for
// each kind of request and URL, at most 64.
type answers struct {
	mu      sync.Mutex
	kept    map[string]*answer
	joined  map[string]*answer
	waiting map[string]chan struct{}
	held    chan struct{} // closed when the request that reorder holds may go
}

func (s *answers) get(key string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[key]
}

func (s *answers) put(key string, a *answer, keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if keep && len(s.kept) < 64 {
		s.kept[key] = a
	}
	if s.waiting[key] != nil {
		if s.joined == nil {
			s.joined = map[string]*answer{}
		}
		s.joined[key] = a
	}
}

// join waits for the answer to an equal request that is in flight. If first is true there is none,
// and the caller must call leave later.
func (s *answers) join(ctx context.Context, key string) (a *answer, first bool) {
	s.mu.Lock()
	wait := s.waiting[key]
	if wait == nil {
		s.waiting[key] = make(chan struct{})
		delete(s.joined, key)
		s.mu.Unlock()
		return nil, true
	}
	s.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joined[key], false
}

func (s *answers) leave(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.waiting[key])
	delete(s.waiting, key)
}

// reorder holds every other request until the next one has come, but no longer than limit.
func (s *answers) reorder(ctx context.Context, limit time.Duration) {
	s.mu.Lock()
	if s.held != nil { // this is the next request: it goes first
		held := s.held
		s.held = nil
		s.mu.Unlock()
		time.AfterFunc(5*time.Millisecond, func() { close(held) })
		return
	}
	held := make(chan struct{})
	s.held = held
	s.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-held:
	case <-t.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	if s.held == held {
		s.held = nil
	}
	s.mu.Unlock()
}
