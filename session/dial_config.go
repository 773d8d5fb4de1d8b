package session

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/holdfast-rt/holdfast/transport"
)

// DialConfig configures a client's end. Only Dialers is required.
type DialConfig struct {
	// Transports names the transports in order of preference. Default websocket, sse, longpoll, as
	// far as Dialers has them.
	Transports []string
	// Dialers opens conns, by transport name. The one for longpoll also carries what a client on
	// sse sends.
	Dialers map[string]transport.Dialer
	// MaxBatch is the largest batch taken, in bytes. Default 65,536, bounds 2,048 … 1,048,576.
	MaxBatch int
	// MaxMessage is the largest message taken from the server, in bytes. Default 16 MiB.
	MaxMessage int
	// Buffer bounds the bytes (payload + 16 a line) sent and not acknowledged. Default 8 MiB; the
	// server's window bounds what of them is in flight.
	Buffer int
	// Auth gives the credentials for "auth": called before the first attempt, and again when the
	// server has refused them. It may block; ctx ends with the session. After an error it is called
	// again, ever more slowly, at most 30 s apart. The session ends, 4301, if the error wraps
	// [ErrAuth], if what Auth gives is not JSON, or if the server refuses at once what Auth has
	// given in place of refused credentials.
	Auth func(ctx context.Context) (json.RawMessage, error)
	// Meta is sent as "meta" with every open.
	Meta json.RawMessage
	// Memory, if not nil, keeps what the session learns of the network for the next one
	// (HF1-LIV-19).
	Memory Memory
	// Trace is told what happens to the session's attachments. It must not block or call the
	// session, and may be called by several goroutines at once.
	Trace func(Trace)
	// Logger is told when a callback of OnMessage or OnClose panicked. Default: slog.Default().
	Logger *slog.Logger
	// OnLocalClose is called whenever this side closes the session (Close, CloseWith, EndWith,
	// Abort), also one that has ended already: the application wants no more of it. It must not
	// block.
	OnLocalClose func()
}

// Memory keeps what the sessions to one endpoint learn of the network. It holds no secret. Its
// methods must not block or call the session, and may be called by several goroutines at once.
type Memory interface {
	// Recall gives what Remember was last given, nil if nothing. It is called when a session
	// starts.
	Recall() []byte
	// Remember is given JSON whenever something was learned, about once a second at most.
	Remember(learned []byte)
}
