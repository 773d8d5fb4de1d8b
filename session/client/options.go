package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"

	"github.com/holdfast-rt/holdfast/session"
)

// Options are those of [Dial] and [Start]. The zero value, and nil, take every default. They must
// not change while a session uses them.
type Options struct {
	// Transports lists the transports that may be used, best first: websocket, sse, longpoll.
	// Default: all. Another name, or one twice, is [ErrTransport].
	Transports []string
	// Auth gives the credentials that the server's authenticator sees: before the first attempt,
	// and again when they were refused. It may block; ctx ends with the session. After an error it
	// is called again, ever more slowly, at most 30 s apart. The session ends, 4301, if the error
	// wraps [session.ErrAuth], if what Auth gives is not JSON, or if the server refuses at once what
	// Auth has given in place of refused credentials. Default: none.
	Auth func(ctx context.Context) (json.RawMessage, error)
	// Meta is JSON for the server's application. With Auth it has 8 KiB. Else [ErrMeta].
	Meta json.RawMessage
	// Header is added to every request and handshake: Cookie, Origin. No secret of the session
	// belongs there.
	Header http.Header
	// HTTPClient sends the requests of sse and longpoll; its time limit and its rule for redirects
	// are overridden. Over HTTP/2 a connection that may be dead is left, if its Transport is an
	// *http.Transport. Default: one of the session's own, whose connections are closed when that
	// ends.
	HTTPClient *http.Client
	// TLSClientConfig is used for wss, and for https unless HTTPClient is given. Default: the
	// standard library's.
	TLSClientConfig *tls.Config
	// DialContext opens the connections of WebSockets, and of the others unless HTTPClient is
	// given. Default: TCP.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// MaxMessage is the largest message taken, in bytes. Default 16 MiB.
	MaxMessage int
	// Buffer bounds the bytes (payload + 16 a line) sent and not acknowledged; at the bound Send
	// waits. Default 8 MiB.
	Buffer int
	// Memory, if not nil, lets sessions begin with what earlier ones have learned of the network:
	// share one among all of a program's sessions.
	Memory *Memory
	// Trace is told what happens to the session's attachments. It must not block or call the
	// session.
	Trace func(session.Trace)
	// Logger is told when a callback of OnMessage or OnClose panicked: its session then ends, 4202.
	// Default: slog.Default().
	Logger *slog.Logger
	// Renew, if set, has a new session started when one has ended that a new one is welcome after
	// (42xx: the server drained, forgot it, let it expire). It is called with the end of the old
	// one, which tells the fate of each message, and the new session: nothing is sent again by
	// itself. It must return. The first waits up to 0.5 s, at random; sessions that end young are
	// followed ever more slowly, at most 30 s apart. Who wants no more closes the newest session:
	// that also ends the pause after it, when it has ended already. A session that the application
	// has closed, or that Dial has not returned, is not renewed.
	Renew func(ended session.End, fresh *session.Session)
}
