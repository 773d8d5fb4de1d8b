package script

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// socket serves a WebSocket.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.Upgrades++
	verdict := 0
	if s.Upgrade != nil {
		verdict = s.Upgrade(s.Upgrades, r)
	}
	s.change()
	s.mu.Unlock()
	switch {
	case verdict < 0:
		<-r.Context().Done()
		return
	case verdict > 0:
		w.WriteHeader(verdict)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetReadLimit(4 << 20)
	var p *Attachment
	for {
		kind, data, err := c.ReadMessage()
		s.mu.Lock()
		if err != nil {
			if strings.Contains(err.Error(), "RSV") {
				s.fault("HF1-WSK-02", "the client uses an extension that was not negotiated: %v", err)
			}
			if p != nil {
				p.noteEnd()
			}
			s.change()
			s.mu.Unlock()
			return
		}
		p = s.frame(c, p, kind, data)
		s.change()
		s.mu.Unlock()
		if p == nil {
			return
		}
	}
}

// frame acts on one frame. It returns nil to end the connection.
func (s *Server) frame(c *websocket.Conn, p *Attachment, kind int, data []byte) *Attachment {
	s.t.Logf("<- ws %q", shorten(string(data)))
	parse := wire.Parse
	if kind == websocket.BinaryMessage {
		parse = wire.ParseFrame
	}
	b, err := parse(data)
	if err != nil {
		s.faultFrom(err)
		return nil
	}
	if p == nil {
		return s.openSocket(c, b)
	}
	if s.Frame != nil && !s.Frame(p, b) {
		return p
	}
	s.noteConfirmed()
	if b.Find("!open") != nil || b.Find("!poll") != nil || b.Find("!up") != nil {
		s.fault("HF1-ERR-05", "an address on an open WebSocket: %s", b)
	}
	if s.take(b) {
		p.Control(fmt.Sprintf(`!rewind {"recv":%d}`, s.Recv))
	}
	if answers := s.controls(p, b); len(answers) > 0 && p.Alive {
		p.Control(answers...)
	}
	s.after(b)
	s.ackSoon(p)
	return p
}

// ackSoon sends an ack on its own if nothing else has carried it.
func (s *Server) ackSoon(p *Attachment) {
	if s.ackSent >= s.Taken || (s.Holds != nil && s.Holds()) {
		return
	}
	s.later(20*time.Millisecond, func() {
		if p.Alive && s.ackSent < s.Taken && (s.Holds == nil || !s.Holds()) {
			p.send(s.head(p.next))
		}
	})
}

func (s *Server) openSocket(c *websocket.Conn, b *wire.Batch) *Attachment {
	if len(b.Lines) == 0 || !b.Lines[0].Is("!open") {
		s.fault("HF1-WSK-01", "the first frame is no !open: %s", b)
		return nil
	}
	send := func(batch string) error {
		_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
		return c.WriteMessage(websocket.TextMessage, []byte(batch))
	}
	if s.Refuse != "" {
		s.Refusals++
		_ = send("@1 0\n" + s.Refuse + "\n")
		_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4005, ""), time.Now().Add(time.Second))
		return nil
	}
	if s.Ended != "" && b.Lines[0].Text("key") == s.Key {
		_ = send(s.head(1) + s.Ended + "\n")
		return nil
	}
	p := s.open(WebSocket, b)
	p.write = send
	p.close = func(code int) {
		if code != 0 {
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""),
				time.Now().Add(time.Second))
		}
		_ = c.NetConn().Close()
	}
	p.Binary = func(frame []byte) { _ = c.WriteMessage(websocket.BinaryMessage, frame) }
	s.take(b)
	p.Control(s.Opened(p))
	p.keepAlive()
	s.after(b)
	return p
}
