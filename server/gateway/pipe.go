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

// pipe copies messages between a session and the backend's WebSocket. It holds one message each way
// and no queue: a slow client fills its window, then the backend is not read any more; a slow
// backend is waited for, then the client's window is full.
type pipe struct {
	s            *session.Session
	conn         *websocket.Conn
	writeTimeout time.Duration
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

// down copies from the backend until one of the two ends, and tells the other.
func (p *pipe) down() {
	for {
		kind, data, err := p.conn.ReadMessage()
		if err != nil {
			p.end(closedWith(err))
			return
		}
		_, err = p.s.Send(context.Background(), session.Message{Data: data, Binary: kind == websocket.BinaryMessage})
		switch ended := (*session.EndError)(nil); {
		case err == nil:
			continue
		case errors.As(err, &ended): // up tells the backend
			return
		case errors.Is(err, session.ErrNotText): // gorilla does not check it, and browsers never see such a message
			p.endBoth(codeNotText, "")
		case errors.Is(err, session.ErrTooLarge):
			p.endBoth(codeTooBig, "message too big")
		default: // the server is at its bound of memory
			p.endBoth(codeLater, "")
		}
		return
	}
}

// up copies to the backend until the session has ended, and tells the backend. What comes after the
// backend has gone is for nobody.
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

// closedWith tells how the backend ended, as the platform would show it.
func closedWith(err error) (code int, reason string) {
	var frame *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit): // gorilla has told the backend
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
	p.s.EndWith(sessionEnds, strconv.Itoa(code)+" "+reason)
}

func (p *pipe) endBoth(code int, reason string) {
	p.writeClose(code, reason)
	p.end(code, reason)
}

func (p *pipe) writeClose(code int, reason string) {
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason),
		time.Now().Add(closeWait))
}

// closeWait bounds in time how long a backend is waited for when the session has ended.
const closeWait = 5 * time.Second

// closeBackend repeats the client's goodbye to the backend and waits for its answer. A client that
// vanished says none, as on the platform.
func (p *pipe) closeBackend(e session.End, read <-chan struct{}) {
	code, reason := said(e)
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

// said reads the close code and reason of a WebSocket in the reason of a session's end.
func said(e session.End) (code int, reason string) {
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

// sendable are the codes that a close frame may carry (RFC 6455, 7.4).
func sendable(code int) bool {
	return code >= 1000 && code <= 1014 && code != 1004 && code != codeNone && code != codeAbnormal || code >= 3000
}
