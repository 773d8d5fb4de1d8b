package doctor_test

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
)

// hijacking lets a network change the connection of a WebSocket.
type hijacking struct {
	http.ResponseWriter
	wrap func(net.Conn) net.Conn
}

func (h *hijacking) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return h.wrap(c), rw, nil
}

func isSocket(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// sockets lets a network change the connections of WebSockets.
func sockets(wrap func(net.Conn) net.Conn) network {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isSocket(r) {
				w = &hijacking{w, wrap}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// handshakes answers WebSocket handshakes in place of the server.
func handshakes(f func(next http.Handler, w http.ResponseWriter, r *http.Request)) network {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isSocket(r) {
				f(next, w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// filter is a connection that lets only some bytes through. The first write is the answer to the
// handshake.
type filter struct {
	net.Conn
	started     time.Time
	reads       int
	writes      int
	read, write func(l *filter, p []byte) bool // whether it lets these bytes through
}

func (l *filter) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		l.reads++
		if err != nil || l.read == nil || l.read(l, p[:n]) {
			return n, err
		}
	}
}

func (l *filter) Write(p []byte) (int, error) {
	l.writes++
	if l.write != nil && !l.write(l, p) {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func TestSockets(t *testing.T) {
	passing := func(read, write func(l *filter, p []byte) bool) network {
		return sockets(func(c net.Conn) net.Conn {
			return &filter{Conn: c, started: time.Now(), read: read, write: write}
		})
	}
	for name, c := range map[string]struct {
		n        network
		state    string
		id, says string
	}{
		"refused": {
			handshakes(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Server", "gatekeeper/1.0")
				http.Error(w, "<title>Blocked by policy</title>", http.StatusForbidden)
			}), "fails", "ws-refused",
			"status 403 Forbidden, Server: gatekeeper/1.0, page with the title “Blocked by policy”",
		},
		"Upgrade is stripped": {handshakes(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
			next.ServeHTTP(w, r)
		}), "fails", "ws-refused", "status 426"},
		"black hole": {handshakes(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}), "fails", "ws-blackholed", "within 5000 ms"},
		"reset": {
			handshakes(func(http.Handler, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			"fails", "ws-refused", "broke during the handshake",
		},
		"swallows all": {
			passing(nil, func(l *filter, _ []byte) bool { return l.writes == 1 }), "fails",
			"ws-swallowed", "no frame within 5000 ms",
		},
		"swallows what follows": {
			passing(nil, func(l *filter, _ []byte) bool { return l.writes <= 2 }), "fails",
			"ws-swallowed", "none to a ping",
		},
		"loses the server's first frame": {
			passing(nil, func(l *filter, _ []byte) bool { return l.writes != 2 }),
			"fails", "ws-first-frame", "the answer to the second frame came",
		},
		"loses the client's first frame": {
			passing(func(l *filter, _ []byte) bool { return l.reads != 1 }, nil),
			"fails", "ws-first-frame", "refused malformed",
		},
		"kills at 200 ms": {sockets(func(c net.Conn) net.Conn {
			time.AfterFunc(200*time.Millisecond, func() { _ = c.Close() })
			return c
		}), "fails", "ws-killed", "cut 200 ms after the handshake"},
		"kills before the first word": {sockets(func(c net.Conn) net.Conn {
			return &filter{Conn: c, write: func(l *filter, _ []byte) bool {
				if l.writes == 2 {
					_ = c.Close()
				}
				return true
			}}
		}), "fails", "ws-killed", "before the server's first word"},
		"falls silent": {
			passing(nil, func(l *filter, _ []byte) bool { return time.Since(l.started) < 3*time.Second }),
			"fails", "ws-silent", "no answer to a ping",
		},
		"one behind": {
			sockets(func(c net.Conn) net.Conn {
				var kept []byte
				return &filter{Conn: c, write: func(l *filter, p []byte) bool {
					if l.writes == 1 {
						return true
					}
					_, _ = c.Write(kept)
					kept = bytes.Clone(p)
					return false
				}}
			}), "fails", "ws-one-behind", "came when a second was sent",
		},
		"cuts frames above 16 KiB": {
			passing(func(l *filter, p []byte) bool {
				l.reads += len(p) - 1 // counts bytes here, not reads
				if l.reads > 17<<10 {
					_ = l.Conn.Close()
				}
				return true
			}, func(l *filter, _ []byte) bool { l.reads = 0; return true }), "impaired", "size-cap",
			"a frame of 32768 bytes ended the socket",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, server.Config{}, c.n).diagnose(t, doctor.Options{})
				check(t, r, doctor.Degraded, c.state+" fits fits", map[string]string{c.id: c.says})
			})
		})
	}
}
