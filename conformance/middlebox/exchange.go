package middlebox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody bounds what is kept of one request, one frame or one buffered answer. A larger one ends
// the connection.
const maxBody = 17 << 20

// exchange is one request and its answer.
type exchange struct {
	box    *Box
	client *countedConn
	in     *bufio.Reader
	req    *http.Request
	body   []byte
	kind   Kind
	name   string // the kind of the body's preamble, if it has one
	modes  []Mode

	ctx    context.Context
	cancel context.CancelFunc // ends the exchange and what it opened

	mu      sync.Mutex
	servers []net.Conn
	clean   bool // end connections with FIN
}

// serve serves one connection of a client.
func (b *Box) serve(w *countedConn) {
	in := bufio.NewReaderSize(w, 64<<10)
	if b.raw() {
		b.relay(w, in, b.modesFor(All))
		return
	}
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if req.Header.Get("Expect") != "" {
			_, _ = io.WriteString(w, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, maxBody+1))
		if err != nil || len(body) > maxBody {
			return
		}
		x := &exchange{box: b, client: w, in: in, req: req, body: body}
		x.classify()
		x.modes = b.modesFor(x.kind)
		x.ctx, x.cancel = context.WithCancel(b.ctx)
		stop := context.AfterFunc(x.ctx, x.close)
		again := x.run()
		if stop(); !again {
			x.cancel()
			x.close()
			return
		}
		x.cancel()
		x.closeServers()
	}
}

// classify finds out what kind of request it is.
func (x *exchange) classify() {
	x.kind = Other
	first, _, _ := bytes.Cut(x.body, []byte("\n"))
	words := strings.Fields(string(first[:min(len(first), 100)]))
	switch {
	case strings.EqualFold(x.req.Header.Get("Upgrade"), "websocket"):
		x.kind = WS
	case x.req.Method == http.MethodGet && strings.Contains(x.req.Header.Get("Accept"), "text/event-stream"):
		x.kind = Stream
	case len(words) == 3:
		x.name = words[1]
		if k, ok := map[string]Kind{"open": Open, "poll": Poll, "up": Up, "stream": Stream}[x.name]; ok {
			x.kind = k
		}
	}
}

func (x *exchange) mode(name string) (Mode, bool) {
	i := slices.IndexFunc(x.modes, func(m Mode) bool { return m.Name == name })
	if i < 0 {
		return Mode{}, false
	}
	return x.modes[i], true
}

// close ends everything that the exchange has open.
func (x *exchange) close() {
	x.mu.Lock()
	clean := x.clean
	x.mu.Unlock()
	if clean {
		_ = x.client.Close()
	} else {
		x.client.reset()
	}
	x.closeServers()
}

func (x *exchange) closeServers() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.servers {
		_ = c.Close()
	}
}

// run does the exchange. It returns true if the connection may serve another one.
func (x *exchange) run() bool {
	x.box.logf("%s %s %s %d", x.req.Method, x.req.RequestURI, x.name, len(x.body))
	stillOpen := x.watch()
	if answered, again := x.intercept(); answered {
		x.closeCleanly(again)
		return again && stillOpen()
	}
	if !x.wait("delay") {
		return false
	}
	if x.kind == WS {
		return x.upgrade(stillOpen)
	}
	again, err := x.forward()
	x.closeCleanly(err == nil)
	return stillOpen() && err == nil && again && !x.req.Close && x.req.ProtoAtLeast(1, 1)
}

// closeCleanly lets the connection end with FIN instead of RST, because what was written must
// arrive.
func (x *exchange) closeCleanly(yes bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clean = x.clean || yes
}

// watch ends the exchange when the client goes away. The function that it returns ends the watch
// and reports whether the client is still there.
func (x *exchange) watch() func() bool {
	done := make(chan struct{})
	stillOpen := true
	go func() {
		defer close(done)
		var timeout net.Error
		if _, err := x.in.Peek(1); err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
			stillOpen = false
			x.cancel()
		}
	}()
	var once sync.Once
	return func() bool {
		once.Do(func() {
			_ = x.client.SetReadDeadline(time.Unix(1, 0))
			<-done
			_ = x.client.SetReadDeadline(time.Time{})
		})
		return stillOpen
	}
}

// sleep waits. It returns false if the exchange ended first.
func (x *exchange) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.ctx.Done():
		return false
	}
}

func (x *exchange) wait(name string) bool {
	m, ok := x.mode(name)
	return !ok || x.sleep(m.After)
}

// intercept applies the modes that answer a request themselves, or refuse to.
func (x *exchange) intercept() (answered, again bool) {
	if _, ok := x.mode("black-hole"); ok {
		<-x.ctx.Done()
		return true, false
	}
	for _, name := range []string{"refuse", "captive"} {
		if m, ok := x.mode(name); ok {
			return true, x.answer(int(m.Bytes), name == "captive")
		}
	}
	if m, ok := x.mode("limit-head"); ok && int64(len(x.head())) > m.Bytes {
		return true, x.answer(http.StatusRequestHeaderFieldsTooLarge, false)
	}
	if m, ok := x.mode("limit-body"); ok && int64(len(x.body)) > m.Bytes {
		return true, x.answer(http.StatusRequestEntityTooLarge, false)
	}
	if m, ok := x.mode("reorder"); ok {
		x.box.store.reorder(x.ctx, m.After)
	}
	return false, false
}

// answer answers instead of the server.
func (x *exchange) answer(status int, portal bool) bool {
	page, extra := http.StatusText(status)+"\n", ""
	if portal {
		page = "<!doctype html><title>Sign in</title><p>Please accept the terms of this network.\n"
	}
	if portal && status == http.StatusFound {
		extra = "Location: http://portal.invalid/\r\n"
	}
	_, err := fmt.Fprintf(x.client, "HTTP/1.1 %d %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n%s\r\n%s",
		status, http.StatusText(status), len(page), extra, page)
	return err == nil
}

// head is the request's head as it goes to the server.
func (x *exchange) head() []byte {
	var out bytes.Buffer
	proto, host := "HTTP/1.1", x.req.Host
	if _, ok := x.mode("http10"); ok {
		proto = "HTTP/1.0"
	}
	h := x.req.Header.Clone()
	if _, ok := x.mode("rewrite-host"); ok {
		host = x.box.target.Host
	}
	if _, ok := x.mode("strip-upgrade"); ok {
		h.Del("Upgrade")
		h.Del("Connection")
	}
	for _, m := range x.modes {
		switch m.Name {
		case "strip":
			h.Del(m.Text)
		case "add":
			name, value, _ := strings.Cut(m.Text, "=")
			h.Set(name, value)
		}
	}
	if h.Get("Upgrade") == "" {
		h.Set("Connection", "close")
	}
	if h.Del("Expect"); x.req.Method == http.MethodPost || len(x.body) > 0 {
		h.Set("Content-Length", strconv.Itoa(len(x.body)))
	}
	fmt.Fprintf(&out, "%s %s %s\r\nHost: %s\r\n", x.req.Method, x.req.RequestURI, proto, host)
	_ = h.Write(&out)
	out.WriteString("\r\n")
	return out.Bytes()
}

// dial opens a connection to the server that ends with the exchange, even if that has ended in the
// meantime.
func (x *exchange) dial() (net.Conn, error) {
	c, err := x.box.Dial(x.ctx)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.servers = append(x.servers, c)
	x.mu.Unlock()
	if x.ctx.Err() != nil {
		x.closeServers()
	}
	return c, nil
}

// ask sends the request to the server and reads the answer's head.
func (x *exchange) ask() (*http.Response, net.Conn, *bufio.Reader, error) {
	c, err := x.dial()
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := c.Write(append(x.head(), x.body...)); err != nil {
		return nil, nil, nil, err
	}
	in := bufio.NewReaderSize(c, 64<<10)
	res, err := http.ReadResponse(in, x.req)
	return res, c, in, err
}
