package gateway

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
)

// pipe copies messages between a session and the backend's WebSocket. It holds one message per
// direction and has no queue. If the client is slow, the window fills, and then the pipe stops
// reading from the backend. If the backend is slow, the pipe waits, and then the client's window
// fills.
type pipe struct {
	s            *session.Session
	conn         *websocket.Conn
	writeTimeout time.Duration
	keepAlive    time.Duration
	away         *time.Timer // runs while a message waits for the client
}

func (p *pipe) run() {
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.down()
	}()
	p.up(read)
	_ = p.conn.Close()
	<-read
}

// down copies from the backend until one of the two ends, then ends the other.
func (p *pipe) down() {
	// While the client is away and the window is full, the backend is not read, and so are its
	// pings. A pong that nobody asked for tells it that we are here (RFC 6455, 5.5.3).
	p.away = time.AfterFunc(p.keepAlive, p.pong)
	p.away.Stop()
	defer p.away.Stop()
	for {
		kind, data, err := p.conn.ReadMessage()
		if err != nil {
			p.end(closedWith(err))
			return
		}
		p.away.Reset(p.keepAlive)
		_, err = p.s.Send(context.Background(), session.Message{Data: data, Binary: kind == websocket.BinaryMessage})
		p.away.Stop()
		switch ended := (*session.EndError)(nil); {
		case err == nil:
			continue
		case errors.As(err, &ended): // up closes the backend
			return
		// gorilla does not check for UTF-8; browsers never deliver such a message
		case errors.Is(err, session.ErrNotText):
			p.endBoth(codeNotText, "")
		case errors.Is(err, session.ErrTooLarge):
			p.endBoth(codeTooBig, "message too big")
		default: // the server is at its memory limit
			p.endBoth(codeLater, "")
		}
		return
	}
}

// up copies to the backend until the session has ended, then closes the backend. It drops what
// comes after the backend is gone.
func (p *pipe) up(read <-chan struct{}) {
	gone := false
	for {
		m, err := p.s.Receive(context.Background())
		if ended := (*session.EndError)(nil); errors.As(err, &ended) {
			if !gone {
				p.closeBackend(ended.End, read)
			}
			return
		}
		if err != nil || gone {
			continue
		}
		kind := websocket.TextMessage
		if m.Binary {
			kind = websocket.BinaryMessage
		}
		_ = p.conn.SetWriteDeadline(time.Now().Add(p.writeTimeout))
		if gone = p.conn.WriteMessage(kind, m.Data) != nil; gone {
			_ = p.conn.Close() // down reads the reason, if there was one, and ends the session
		}
	}
}

// closedWith returns how the backend ended, as the WebSocket of a browser shows it.
func closedWith(err error) (code int, reason string) {
	var frame *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit): // gorilla has sent the close frame
		return codeTooBig, "message too big"
	case errors.As(err, &frame):
		return frame.Code, frame.Text
	default:
		return codeAbnormal, "the backend is gone"
	}
}

// end ends the session with a WebSocket's close code and reason. What was sent before is delivered
// first.
func (p *pipe) end(code int, reason string) {
	reason = strings.ToValidUTF8(strconv.Itoa(code)+" "+reason, "\ufffd")
	if p.s.EndWith(sessionEnds, reason) != nil { // the reason is too long
		_ = p.s.EndWith(sessionEnds, strconv.Itoa(code))
	}
}

func (p *pipe) endBoth(code int, reason string) {
	p.writeClose(code, reason)
	p.end(code, reason)
}

func (p *pipe) writeClose(code int, reason string) {
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason),
		time.Now().Add(closeWait))
}

// pong is called while the client is away. It may come once more after that, which does no harm.
func (p *pipe) pong() {
	if p.conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(closeWait)) == nil {
		p.away.Reset(p.keepAlive)
	}
}

// closeWait bounds the wait for the backend after the session has ended.
const closeWait = 5 * time.Second

// closeBackend sends the close code of the client to the backend and waits for its answer. A client
// that is lost sends no code, as with a WebSocket of a browser.
func (p *pipe) closeBackend(e session.End, read <-chan struct{}) {
	code, reason := closeOf(e)
	if code == codeAbnormal {
		return
	}
	p.writeClose(code, reason)
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-read:
	case <-timer.C:
	}
}

// closeOf reads the close code and reason of a WebSocket from the reason of a session's end.
func closeOf(e session.End) (code int, reason string) {
	switch {
	case e.Code == transport.CodeDraining:
		return codeGoingAway, ""
	case e.Code >= 4200:
		return codeAbnormal, ""
	}
	number, reason, _ := strings.Cut(e.Reason, " ")
	code, err := strconv.Atoi(number)
	if err != nil || len(number) != 4 || code < 1000 || code > 4999 {
		return websocket.CloseNormalClosure, ""
	}
	if !sendable(code) && code != codeNone {
		return codeAbnormal, ""
	}
	return code, reason
}

// sendable reports whether a close frame may have this code (RFC 6455, 7.4).
func sendable(code int) bool {
	return code >= 1000 && code <= 1014 && code != 1004 && code != codeNone && code != codeAbnormal || code >= 3000
}
