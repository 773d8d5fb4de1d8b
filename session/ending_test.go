package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// TestFullTellsWhose: the session's own bound and the server's are two errors, and neither hides
// that the session has ended.
func TestFullTellsWhose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *Session
		r := NewRegistry(RegistryConfig{MaxRetained: 5000, Window: 1 << 20, OnSession: func(s *Session) { server = s }})
		m := &memory{registry: r}
		c := Dial(DialConfig{Dialers: map[string]transport.Dialer{transport.WebSocket: m}, Buffer: 1000})
		_, _ = c.Send(t.Context(), Text("hello"))
		synctest.Wait()
		if _, err := server.TrySend(Text(strings.Repeat("x", 6000))); err != nil {
			t.Fatal(err)
		}
		if _, err := server.TrySend(Text("x")); !errors.Is(err, ErrServerFull) || errors.Is(err, ErrFull) {
			t.Errorf("the server keeps too much: %v", err)
		}
		for range 3 {
			_, _ = c.TrySend(Text(strings.Repeat("x", 900)))
		}
		if _, err := c.TrySend(Text(strings.Repeat("x", 900))); !errors.Is(err, ErrFull) {
			t.Errorf("the client's buffer is full: %v", err)
		}
		if err := server.Abort(transport.CodeSlow, "slow"); err != nil {
			t.Fatal(err)
		}
		r.pool.add(10_000)
		var end *EndError
		if _, err := server.TrySend(Text("x")); !errors.As(err, &end) || end.Code != transport.CodeSlow {
			t.Errorf("Send on a session that has ended: %v", err)
		}
		r.pool.add(-10_000)
		time.Sleep(time.Minute)
	})
}

// TestCodeStays: a session that was closed with a code reports that code from then on.
func TestCodeStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, mems := pair(RegistryConfig{}, transport.WebSocket) // nobody takes what comes, so no close is answered
		_, _ = c.Send(t.Context(), Text("hello"))
		synctest.Wait()
		code := func(when string) {
			var end *EndError
			if _, err := c.TrySend(Text("x")); !errors.As(err, &end) || end.Code != 4123 {
				t.Errorf("%s: %v", when, err)
			}
		}
		if err := c.EndWith(4123, "mine"); err != nil {
			t.Fatal(err)
		}
		code("closing")
		_ = mems
		<-c.Done()
		code("ended")
		if e, _ := c.Ended(); e.Code != 4123 || e.Remote || e.Exact {
			t.Errorf("ended with %+v", e)
		}
		time.Sleep(5 * time.Minute)
	})
}

// TestAbort: the end comes at once, what waits is dropped, and fates are exact where they are known.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *Session
		c, _ := pair(RegistryConfig{OnSession: func(s *Session) { server = s }}, transport.WebSocket)
		ends := make(chan End, 2)
		c.OnClose(func(e End) { ends <- e })
		_, _ = c.Send(t.Context(), Text("one"))
		synctest.Wait()
		_, _ = server.Receive(t.Context())
		_, _ = server.Send(t.Context(), Text("never taken"))
		time.Sleep(time.Second)
		if err := c.Abort(3000, ""); !errors.Is(err, ErrCloseCode) {
			t.Errorf("Abort with a code that is none: %v", err)
		}
		if err := c.Abort(4123, "enough"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := End{Code: 4123, Reason: "enough", Sent: 1, Delivered: 1, Exact: true}
		select {
		case e := <-ends:
			if e != want {
				t.Errorf("the client's end is %+v", e)
			}
		default:
			t.Error("OnClose was not called at once")
		}
		if _, err := c.Receive(t.Context()); err == nil {
			t.Error("Receive gave what was dropped")
		}
		if c.Buffered() != 0 {
			t.Errorf("%d bytes are buffered", c.Buffered())
		}
		if err := server.Abort(4124, ""); err != nil {
			t.Fatal(err)
		}
		if e, _ := server.Ended(); e.Code != 4124 || e.Exact || e.Delivered != 0 || e.Sent != 1 {
			t.Errorf("the server's end is %+v, and it cannot know", e)
		}
		time.Sleep(5 * time.Minute)
	})
}

// TestAbortIsTold: the client of a session that its server aborts learns it at once.
func TestAbortIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *Session
		c, _ := pair(RegistryConfig{OnSession: func(s *Session) { server = s }}, transport.WebSocket)
		_, _ = c.Send(t.Context(), Text("one"))
		synctest.Wait()
		_ = server.Abort(transport.CodeContinuity, "gone")
		synctest.Wait()
		if e, _ := c.Ended(); e.Code != transport.CodeContinuity || !e.Remote || !e.Exact || e.Delivered != 0 {
			t.Errorf("the client's end is %+v", e)
		}
		time.Sleep(time.Minute)
	})
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// TestCallbackPanics: the session of a callback that panicked ends, 4202. The others go on.
func TestCallbackPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lockedBuffer)
		logger := slog.New(slog.NewTextHandler(log, nil))
		ends := make(chan End, 4)
		r := NewRegistry(RegistryConfig{Logger: logger, OnSession: func(s *Session) {
			s.OnMessage(func(m Message) {
				if string(m.Data) == "panic" {
					panic("on the server")
				}
				_, _ = s.Send(context.Background(), m)
			})
			s.OnClose(func(e End) { ends <- e; panic("again") })
		}})
		dial := func() *Session {
			d := map[string]transport.Dialer{transport.WebSocket: &memory{registry: r, name: transport.WebSocket}}
			return Dial(DialConfig{Dialers: d, Logger: logger})
		}
		first, second, third := dial(), dial(), dial()
		_, _ = first.Send(t.Context(), Text("panic"))
		_, _ = first.Send(t.Context(), Text("not seen"))
		third.OnMessage(func(Message) { panic("at the client") })
		_, _ = third.Send(t.Context(), Text("x"))
		synctest.Wait()
		for name, s := range map[string]*Session{"panicked at the server": first, "at the client": third} {
			if e, ended := s.Ended(); !ended || e.Code != transport.CodeContinuity {
				t.Errorf("%s: ended %v with %+v", name, ended, e)
			}
		}
		if e := <-ends; e.Code != transport.CodeContinuity {
			t.Errorf("OnClose was told %+v", e)
		}
		_, _ = second.Send(t.Context(), Text("hello"))
		if m, err := second.Receive(t.Context()); err != nil || string(m.Data) != "hello" {
			t.Errorf("another session: %q, %v", m.Data, err)
		}
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Minute)
		log.mu.Lock()
		defer log.mu.Unlock()
		for _, want := range []string{"on the server", "again", "at the client", "OnMessage", "OnClose", first.ID()} {
			if !strings.Contains(log.b.String(), want) {
				t.Errorf("the log does not tell %q", want)
			}
		}
	})
}

// TestAbortBeforeAnythingWent: what never went out was not delivered, and that is known.
func TestAbortBeforeAnythingWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Dial(DialConfig{
			Dialers: map[string]transport.Dialer{transport.WebSocket: &memory{registry: NewRegistry(RegistryConfig{})}},
			Auth: func(ctx context.Context) (json.RawMessage, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		_, _ = c.Send(t.Context(), Text("one"))
		_ = c.Abort(transport.CodeDone, "")
		if e, _ := c.Ended(); !e.Exact || e.Delivered != 0 || e.Sent != 1 {
			t.Errorf("ended with %+v", e)
		}
	})
}
