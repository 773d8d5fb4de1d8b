package main

import (
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// backend is a plain WebSocket server, to compare the drop-in class with the WebSocket of the
// browser: pages reach it directly, and through the gateway. The last segment of the URL path says
// what it does:
//
//	echo    sends every message back
//	none    the same, and selects no subprotocol
//	other   the same, and selects one that nobody may have offered
//	info    sends what was in the request, then echoes
//	close   sends "a" and "b", then closes with ?code= and ?reason=
//	drop    sends "a" and breaks the connection
//	refuse  answers 403
//	seen    only reads; a later GET …/seen returns what came under ?id=, and how it ended
type backend struct {
	mu   sync.Mutex
	seen map[string]string
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	if !websocket.IsWebSocketUpgrade(r) && name == "seen" {
		b.mu.Lock()
		defer b.mu.Unlock()
		_ = json.NewEncoder(w).Encode(b.seen[r.URL.Query().Get("id")])
		return
	}
	if name == "refuse" {
		http.Error(w, "refused", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{Subprotocols: websocket.Subprotocols(r)}
	h := http.Header{}
	switch name {
	case "none":
		up.Subprotocols = nil
	case "other":
		up.Subprotocols = nil
		h.Set("Sec-Websocket-Protocol", "other")
	}
	c, err := up.Upgrade(w, r, h)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetCloseHandler(func(code int, text string) error { // repeats the reason too, as most servers do
		return c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text),
			time.Now().Add(time.Second))
	})
	b.serve(c, r, name)
}

func (b *backend) serve(c *websocket.Conn, r *http.Request, name string) {
	q := r.URL.Query()
	say := func(text string) { _ = c.WriteMessage(websocket.TextMessage, []byte(text)) }
	switch name {
	case "info":
		text, _ := json.Marshal([]string{
			r.URL.RawQuery, strings.Join(websocket.Subprotocols(r), ","),
			r.Header.Get("Cookie"), r.Header.Get("Origin"), r.UserAgent(),
		})
		say(string(text))
		echo(c)
	case "close":
		say("a")
		say("b")
		code, _ := strconv.Atoi(q.Get("code"))
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, q.Get("reason")))
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, _, _ = c.ReadMessage()
	case "drop":
		say("a")
	case "seen":
		end := b.read(c)
		b.mu.Lock()
		b.seen[q.Get("id")] = end
		b.mu.Unlock()
	default:
		echo(c)
	}
}

// read returns everything up to the end, and how it ended.
func (b *backend) read(c *websocket.Conn) string {
	all := ""
	for {
		_, data, err := c.ReadMessage()
		if err != nil {
			return all + err.Error()
		}
		all += string(data) + "|"
	}
}

func echo(c *websocket.Conn) {
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
}
