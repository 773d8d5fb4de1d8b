package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

// openedAndClosed is a server that opens, says one thing and ends the session, all in one frame.
func openedAndClosed(t *testing.T) *httptest.Server {
	t.Helper()
	up := gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
		_ = c.WriteMessage(gorilla.TextMessage, []byte("@1 0\n"+
			`!opened {"v":1,"id":"i","run":"rrrrrrrrrrrrrrrrrrrr","node":"n","att":1,"recv":0,"sel":{"u":1,"att":1},`+
			`"lim":{"maxBatch":65536,"maxMessage":1048576},"win":2097152,"ping":20000,"hold":20000,"ttl":120000,`+
			`"challenge":"c"}`+"\nthello\n"+`!closed {"code":4201,"reason":"gone","recv":0,"ack":0}`+"\n"))
		_, _, _ = c.ReadMessage()
	}))
	t.Cleanup(web.Close)
	return web
}

// TestDialOfASessionThatEndsAtOnce: an end that comes with the beginning is the error of Dial, and
// nobody hears of a session that Dial has not returned.
func TestDialOfASessionThatEndsAtOnce(t *testing.T) {
	web := openedAndClosed(t)
	for range 100 {
		s, err := client.Dial(t.Context(), web.URL, &client.Options{
			Transports: []string{transport.WebSocket},
			Renew:      func(session.End, *session.Session) { t.Error("what Dial did not return was renewed") },
		})
		if s != nil || !endsWith(transport.CodeExpired)(err) {
			t.Fatalf("Dial returned the session %v and the error %v", s, err)
		}
	}
	time.Sleep(600 * time.Millisecond) // longer than a first renewal waits
}

// TestOptionsAreChecked: what can never work is an error at once.
func TestOptionsAreChecked(t *testing.T) {
	large := json.RawMessage(`"` + string(make([]byte, 0)) + `"`)
	for len(large) <= 8<<10 {
		large = append(large[:len(large)-1], `xxxxxxxxxxxxxxxx"`...)
	}
	for name, c := range map[string]struct {
		o    client.Options
		want error
	}{
		"unknown transport": {client.Options{Transports: []string{transport.SSE, "ws"}}, client.ErrTransport},
		"the same twice":    {client.Options{Transports: []string{"sse", "sse"}}, client.ErrTransport},
		"meta is not JSON":  {client.Options{Meta: json.RawMessage("{")}, client.ErrMeta},
		"meta is too large": {client.Options{Meta: large}, client.ErrMeta},
	} {
		if s, err := client.Start("http://holdfast.test/", &c.o); s != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: Start returned the session %v and the error %v", name, s, err)
		}
	}
}

// TestRenewalIsStoppedInItsPause: closing the newest session, although it has ended, stops renewal.
func TestRenewalIsStoppedInItsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newServer(t, server.Config{OnSession: func(s *session.Session) {
			time.AfterFunc(50*time.Millisecond, func() { _ = s.EndWith(transport.CodeDraining, "") })
		}}))
		var renewals atomic.Int32
		newest := make(chan *session.Session, 100)
		_, err := client.Dial(t.Context(), n.URL, &client.Options{
			DialContext: n.Dial,
			Renew: func(_ session.End, fresh *session.Session) {
				renewals.Add(1)
				newest <- fresh
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := <-newest
		<-s.Done()
		_ = s.Close(context.Background())
		time.Sleep(time.Hour)
		if n := renewals.Load(); n != 1 {
			t.Errorf("%d renewals, the newest session was closed after the first", n)
		}
	})
}

// TestFirstRenewalIsSpread: a server that drains has all its clients come back, but not at once.
func TestFirstRenewalIsSpread(t *testing.T) {
	var waits []time.Duration
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, newServer(t, server.Config{}))
			fresh := make(chan *session.Session, 1)
			s, err := client.Dial(t.Context(), n.URL, &client.Options{
				DialContext: n.Dial, Transports: []string{transport.WebSocket},
				Renew: func(_ session.End, s *session.Session) { fresh <- s },
			})
			if err != nil {
				t.Fatal(err)
			}
			for s := range n.now.Load().Sessions() {
				_ = s.EndWith(transport.CodeDraining, "")
			}
			<-s.Done()
			ended := time.Now()
			again := <-fresh
			waits = append(waits, time.Since(ended))
			if err := again.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	late := 0
	for _, w := range waits {
		if w > 500*time.Millisecond {
			t.Errorf("a first renewal came after %v", w)
		}
		if w > 50*time.Millisecond {
			late++
		}
	}
	if late < len(waits)/2 {
		t.Errorf("the first renewals came after %v", waits)
	}
}

// TestAuthThatFailsIsAskedAgain: the application has no credentials at the moment, and is asked for
// them ever more slowly; at once when the network is back.
func TestAuthThatFailsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newServer(t, server.Config{}))
		var asked atomic.Int32
		var there atomic.Bool
		s, err := client.Start(n.URL, &client.Options{
			DialContext: n.Dial,
			Auth: func(context.Context) (json.RawMessage, error) {
				asked.Add(1)
				if there.Load() {
					return json.RawMessage(`"token"`), nil
				}
				return nil, errors.New("the token server cannot be reached")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := asked.Load(); n < 4 || n > 20 || s.State() != session.StateConnecting {
			t.Errorf("asked %d times in a minute, the session is %s", n, s.State())
		}
		there.Store(true)
		s.Wake()
		time.Sleep(time.Second)
		if s.State() != session.StateOpen {
			t.Errorf("a second after the wake the session is %s", s.State())
		}
		sendAndReceive(t, s, "hello")
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
