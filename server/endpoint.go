package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/holdfast-rt/holdfast/server/internal/origin"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/transport"
	"github.com/holdfast-rt/holdfast/transport/longpoll"
	"github.com/holdfast-rt/holdfast/transport/sse"
	"github.com/holdfast-rt/holdfast/transport/websocket"
)

// enter checks what can be checked before the body or the handshake is read: the Origin
// (HF1-WHO-09) and the limit of the address. If it returns true, the caller goes on, and releases
// the address when the connection has ended.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, inBand bool) (
	d origin.Decision, addr netip.Addr, ok bool,
) {
	d = s.origins.Check(r, origin.Known{TrustedProxy: s.proxies.Trusts(r), InBand: inBand})
	s.origins.CORS(w.Header(), d)
	if d.Verdict == origin.Refuse {
		refuse(w, http.StatusForbidden)
		return d, addr, false
	}
	addr = s.proxies.Client(r)
	if !s.connLimit.Acquire(addr) {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests)
		return d, addr, false
	}
	return d, addr, true
}

// AddressHeader in Config.KeepHeaders keeps the address of the client as a header of this name in
// [session.Session.Header], whatever the client sends under it.
const AddressHeader = "Holdfast-Client-Address"

func (s *Server) peer(r *http.Request, d origin.Decision, addr netip.Addr) *session.Peer {
	header := r.Header
	if s.keepsAddress {
		header = header.Clone()
		header.Set(AddressHeader, addr.String())
	}
	return &session.Peer{
		Header: header, Addr: addr, Origin: d.Origin, OriginOK: d.Verdict == origin.Allow,
		Refused: func(reason string) {
			if reason == "origin" {
				s.origins.Settle(d, "") // logs once which setting would allow it
				return
			}
			if reason == "busy" {
				s.warnBusy()
			}
			s.cfg.Logger.Debug("refused", "reason", reason, "address", addr)
		},
	}
}

// post serves an exchange or a stream: the kind in the body decides.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	d, addr, ok := s.enter(w, r, true) // final once the body has named the session (HF1-WHO-09)
	if !ok {
		return
	}
	defer s.connLimit.Release(addr)
	accept := func() transport.Conn { return s.accept(w, r) }
	s.registry.ServeExchange(r.Context(), accept, s.peer(r, d, addr))
}

// accept reads a POST and turns it into a Conn. Nil means that it has been answered.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) transport.Conn {
	l := &s.cfg.Limits
	req, err := transport.ReadRequest(w, r,
		transport.ReadOptions{MaxBatch: s.largestOpen(), Timeout: l.Body, MinRate: l.BodyRate})
	if err != nil {
		if !errors.Is(err, transport.ErrMedia) {
			w.Header().Set("Connection", "close") // do not read the rest of the body
		}
		refuse(w, transport.HTTPStatus(err))
		return nil
	}
	if (req.Kind == transport.KindPoll || req.Kind == transport.KindUp) && req.Batch.Len() > l.MaxBatch { // HF1-BAT-05
		req.Release()
		refuse(w, http.StatusRequestEntityTooLarge)
		return nil
	}
	if r.Header.Get("Early-Data") == "1" && carriesMessages(req.Batch.Parts[0]) { // HF1-HTTP-08: it may be a replay
		refuse(w, http.StatusTooEarly)
		return nil
	}
	var conn transport.Conn
	if req.Kind == transport.KindStream {
		conn, err = sse.Accept(w, r, req, nil)
	} else {
		conn, err = longpoll.Accept(w, req, nil)
	}
	if err != nil {
		s.unserved(w, err)
		return nil
	}
	return conn
}

// largestOpen is the size of the largest first batch. The client does not know the limit of this
// server yet, and uses the default.
func (s *Server) largestOpen() int { return max(s.cfg.Limits.MaxBatch, transport.DefaultMaxBatch) }

// carriesMessages reports whether a batch has log lines.
func carriesMessages(batch []byte) bool {
	_, lines, _ := bytes.Cut(batch, []byte("\n"))
	for line := range bytes.Lines(lines) {
		switch {
		case line[0] == 't', line[0] == 'b', line[0] == '+', bytes.HasPrefix(line, []byte("!close")):
			return true
		}
	}
	return false
}

// unserved answers when a transport cannot work here, because the ResponseWriter has no deadlines
// or cannot flush.
func (s *Server) unserved(w http.ResponseWriter, err error) {
	if errors.Is(err, http.ErrNotSupported) {
		s.warn.Error("cannot serve behind this ResponseWriter: "+
			"mount the Server outside of middleware that wraps it, or give the wrapper a method Unwrap", "error", err)
		refuse(w, http.StatusInternalServerError, "middleware hides the connection, see the server's log")
	}
}

// socket answers a WebSocket handshake and returns. The goroutine that goes on keeps the connection
// and the peer in memory, but not the request.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	d, addr, ok := s.enter(w, r, true)
	if !ok {
		return
	}
	transport.SetHeaders(w.Header()) // HF1-HTTP-05: on the 101 too
	conn, err := websocket.Accept(w, r, &websocket.Options{
		MaxBatch: s.largestOpen(), HandshakeTimeout: s.cfg.Limits.Handshake, FirstTimeout: s.cfg.Limits.Handshake,
	})
	if err != nil {
		s.connLimit.Release(addr)
		if status := transport.HTTPStatus(err); errors.As(err, new(*transport.StatusError)) {
			w.Header().Set("Sec-WebSocket-Version", "13")
			refuse(w, status)
		} else if errors.Is(err, http.ErrNotSupported) {
			s.unserved(w, err)
		}
		return
	}
	s.sockets.add()
	go s.serveSocket(context.WithoutCancel(r.Context()), conn, s.peer(r, d, addr), addr)
}

func (s *Server) serveSocket(ctx context.Context, conn transport.Conn, p *session.Peer, addr netip.Addr) {
	defer s.sockets.done()
	defer s.connLimit.Release(addr)
	defer func() { // panics of the application; net/http does this for the other transports
		v := recover()
		if err, _ := v.(error); v != nil && !errors.Is(err, http.ErrAbortHandler) {
			s.warn.Error("panic serving a WebSocket", "address", addr, "panic", v)
		}
	}()
	s.registry.Serve(ctx, conn, p)
}

// stream serves an EventSource that comes with a ticket (HF1-SSE-06).
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	d, addr, ok := s.enter(w, r, true)
	if !ok {
		return
	}
	defer s.connLimit.Release(addr)
	req, err := sse.TicketRequest(r)
	if err != nil {
		refuse(w, transport.HTTPStatus(err))
		return
	}
	k, ok := s.tickets.Take(r.URL.Query().Get("ticket")) // used up, also when the request fails
	if !ok || !s.registry.Valid(k) || !s.mayUse(w, r, d, addr, k) {
		refuse(w, http.StatusNoContent)
		return
	}
	s.registry.ServeTicket(r.Context(), func() transport.Conn {
		conn, err := sse.Accept(w, r, req, nil)
		if err != nil {
			s.unserved(w, err)
			return nil
		}
		return conn
	}, k)
}

// mayUse reports whether the holder of a ticket may have the stream of that session. A ticket
// stands for the principal of its session. But if the request itself says who sends it, by cookie
// or Authorization, the authenticator must accept it with the same principal. An authenticator that
// needs "auth" cannot check a GET, which has none: its tickets work for requests without cookie and
// Authorization.
func (s *Server) mayUse(
	w http.ResponseWriter, r *http.Request, d origin.Decision, addr netip.Addr, k session.Ticket,
) bool {
	x := s.registry.Session(k.Session())
	if x == nil {
		return false
	}
	if d.Verdict == origin.InBand {
		if d = s.origins.Settle(d, x.Origin()); d.Verdict != origin.Allow {
			return false
		}
		w.Header().Del("Vary")
		s.origins.CORS(w.Header(), d)
	}
	authenticator := s.authenticate()
	if authenticator == nil || r.Header.Get("Cookie") == "" && r.Header.Get("Authorization") == "" {
		return true
	}
	principal, err := authenticator(r.Context(), &session.Handshake{Peer: s.peer(r, d, addr), Transport: transport.SSE})
	return err == nil && principal == x.Principal()
}

// options answers a CORS preflight. Our browser client needs none (HF1-HTTP-06), but other clients
// may ask.
func (s *Server) options(w http.ResponseWriter, r *http.Request) {
	d := s.origins.Check(r, origin.Known{TrustedProxy: s.proxies.Trusts(r)})
	s.origins.CORS(w.Header(), d)
	if d.Verdict != origin.Allow {
		refuse(w, http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Allow", methods)
	if r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "600")
	}
	refuse(w, http.StatusNoContent)
}
