package network

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// stream opens an event stream and watches when its beacons come.
func (p *Prober) stream(ctx context.Context) Finding {
	f := Finding{Probe: "stream", Fix: []Fix{
		{"nginx", "proxy_buffering off; gzip off;  (the server says X-Accel-Buffering: no: proxy_ignore_headers must " +
			"not name it)"},
		{"HAProxy", "no option http-buffer-request, no compression for text/event-stream"},
		{"Caddy", "reverse_proxy { flush_interval -1 }"},
	}}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	body := wire.WrapBody("stream", nonce(), p.open(2, ""))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL.String(), strings.NewReader(body))
	if err != nil {
		f.Saw = err.Error()
		return f
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Accept", "text/event-stream")
	start := time.Now()
	res, err := p.client.Do(req)
	if err != nil {
		f.Saw = "the head of a stream does not come: something holds the answer until it ends"
		return f
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		f.Saw = fmt.Sprintf("a stream is answered by status %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
		return f
	}
	events, beacons := wire.NewStream(res.Body), 0
	for beacons < 2 {
		b, err := events.Next()
		if err != nil {
			f.Saw = fmt.Sprintf("%d of 2 beacons came within %s: events are held back, or the stream is cut: %v",
				beacons, time.Since(start).Round(100*time.Millisecond), err)
			return f
		}
		if b.Find("?beacon") != nil {
			beacons++
		}
	}
	if took := time.Since(start); took > 3*time.Second {
		f.Saw = fmt.Sprintf("the second beacon came after %s: events are held back", took.Round(100*time.Millisecond))
		return f
	}
	return Finding{Probe: "stream", Fit: true, Saw: "events come as they are sent"}
}

// websocket opens a WebSocket, asks for pongs, and sees whether it stays open.
func (p *Prober) websocket(ctx context.Context) Finding {
	f := Finding{Probe: "websocket", Fix: []Fix{
		{"nginx", `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; ` +
			`proxy_set_header Connection "upgrade"; proxy_read_timeout 60s;`},
		{"HAProxy", "timeout tunnel 1h"},
		{"Caddy", "reverse_proxy ADDRESS:PORT  (it passes upgrades on by itself)"},
	}}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	u := *p.URL
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	dialer := websocket.Dialer{WriteBufferSize: 128 << 10, HandshakeTimeout: 10 * time.Second} // a batch is one frame
	c, res, err := dialer.DialContext(ctx, u.String(), nil)
	if err != nil {
		f.Saw = "the upgrade fails: " + err.Error()
		if res != nil {
			f.Saw = fmt.Sprintf("the upgrade is answered by status %d: Upgrade and Connection do not reach the "+
				"server, or something refuses them", res.StatusCode)
		}
		return f
	}
	defer c.Close()
	if err := converse(c, p.open(3, "")); err != nil {
		f.Saw = "101 came, and then: " + err.Error()
		return f
	}
	return Finding{
		Probe: "websocket", Fit: true, Saw: "a WebSocket opens, answers, takes 60 KiB and stays open for 3 s",
	}
}

// converse pings for 3 s; the last ping comes with much data.
func converse(c *websocket.Conn, open string) error {
	if err := c.WriteMessage(websocket.TextMessage, []byte(open)); err != nil {
		return err
	}
	for i := range 4 {
		want := "!opened"
		if i > 0 {
			want = "!pong"
			time.Sleep(time.Second)
			more := ""
			if i == 3 {
				more = strings.Repeat("?grease-frame {\"x\":\""+strings.Repeat("x", 7000)+"\"}\n", 8)
			}
			if err := c.WriteMessage(websocket.TextMessage,
				[]byte(fmt.Sprintf("@1 0\n!ping {\"i\":%d}\n%s", i, more))); err != nil {
				return fmt.Errorf("the connection broke after %d s: %w", i-1, err)
			}
		}
		if err := await(c, want); err != nil {
			return fmt.Errorf("no %s: %w", want, err)
		}
	}
	return nil
}

func await(c *websocket.Conn, want string) error {
	_ = c.SetReadDeadline(time.Now().Add(4 * time.Second))
	for {
		_, data, err := c.ReadMessage()
		if err != nil {
			return err
		}
		b, err := wire.Parse(data)
		if err != nil {
			return err
		}
		if b.Find(want) != nil {
			return nil
		}
		if r := b.Find("!refused"); r != nil {
			return errors.New("the server refuses: " + r.Text("reason"))
		}
	}
}
