package transporttest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Middlebox is a proxy that alters what passes. Serve it with [NewServer], in front of Target.
//
// What it alters is a body of a POST or of its reply, a block of an event stream with the blank
// line behind it, or a WebSocket message. A function that is nil alters nothing; nil bytes from it
// are not passed on. The functions run on several goroutines when several requests do.
type Middlebox struct {
	Target   *Server
	Client   *http.Client // of Target
	Up, Down func([]byte) []byte
}

func (m *Middlebox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		m.socket(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, m.Target.URL, bytes.NewReader(alter(m.Up, body)))
	if err != nil {
		panic(err)
	}
	out.Header = r.Header.Clone()
	in, err := m.Client.Do(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = in.Body.Close() }()
	for k, v := range in.Header {
		if k != "Content-Length" {
			w.Header()[k] = v
		}
	}
	w.WriteHeader(in.StatusCode)
	if in.Header.Get("Content-Type") == "text/event-stream" {
		m.stream(w, in.Body)
		return
	}
	reply, _ := io.ReadAll(in.Body)
	_, _ = w.Write(alter(m.Down, reply))
}

// stream passes the blocks of an event stream on as they come.
func (m *Middlebox) stream(w http.ResponseWriter, in io.Reader) {
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	r := bufio.NewReader(in)
	var block []byte
	for {
		line, err := r.ReadBytes('\n')
		block = append(block, line...)
		if len(line) == 1 || err != nil && len(block) > 0 {
			_, _ = w.Write(alter(m.Down, block))
			_ = rc.Flush()
			block = nil
		}
		if err != nil {
			return
		}
	}
}

func (m *Middlebox) socket(w http.ResponseWriter, r *http.Request) {
	dialer := websocket.Dialer{NetDialContext: m.Target.Dial}
	out, resp, err := dialer.DialContext(r.Context(), "ws"+m.Target.URL[len("http"):], nil)
	if err != nil {
		status := http.StatusBadGateway
		if resp != nil {
			status = resp.StatusCode
		}
		w.WriteHeader(status)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	in, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		_ = out.Close()
		return
	}
	go pump(in, out, m.Up)
	pump(out, in, m.Down)
}

// pump passes messages on until from ends, and then the end.
func pump(from, to *websocket.Conn, f func([]byte) []byte) {
	for {
		kind, p, err := from.ReadMessage()
		if err == nil {
			if p = alter(f, p); p == nil {
				continue
			}
			err = to.WriteMessage(kind, p)
		}
		if err == nil {
			continue
		}
		code := websocket.CloseGoingAway
		var end *websocket.CloseError
		if errors.As(err, &end) && end.Code != websocket.CloseAbnormalClosure {
			code = end.Code
		}
		_ = to.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
		_ = to.Close()
		_ = from.Close()
		return
	}
}

func alter(f func([]byte) []byte, p []byte) []byte {
	if f == nil {
		return p
	}
	return f(p)
}
