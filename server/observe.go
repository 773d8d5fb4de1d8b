package server

import (
	"net"
	"net/http"

	"github.com/holdfast-rt/holdfast/server/internal/conns"
	"github.com/holdfast-rt/holdfast/server/internal/metrics"
	"github.com/holdfast-rt/holdfast/session"
)

// Metrics serves the metrics for Prometheus. It has no authentication: mount it where only the
// operator has access.
func (s *Server) Metrics() http.Handler { return s.metrics.Handler() }

// Guard prepares the http.Server around this Server, before it serves, for a shortage of
// descriptors, and returns the listener to serve instead of l. Connections that wait for a request
// count against their address, as many as it may have requests. When descriptors run short, half of
// those of the address that has most are closed; the log says so, once a minute, and
// holdfast_accept_errors_total counts it. Without Guard, one address can take all descriptors for
// web.IdleTimeout. It may be called for several http.Servers.
func (s *Server) Guard(web *http.Server, l net.Listener) net.Listener {
	before := web.ConnState
	web.ConnState = func(c net.Conn, state http.ConnState) {
		s.waiting.State(c, state)
		if before != nil {
			before(c, state)
		}
	}
	return &conns.Listener{Listener: l, Table: s.waiting, Failed: func(err error, freed int) {
		s.metrics.AcceptError()
		s.warn.Minutely("a connection could not be accepted", "error", err, "idle_closed", freed,
			"fix", "if there are too few descriptors raise the limit of the process (ulimit -n, LimitNOFILE)")
	}}
}

// observe counts what the sessions report.
func (s *Server) observe(o session.Observation) {
	switch o.Kind {
	case session.ObservedAttach:
		s.metrics.Attach(o.Transport, o.Outcome)
	case session.ObservedRefuse:
		s.metrics.Attach(o.Transport, "refused")
		s.metrics.Refusal(o.Reason)
	case session.ObservedSelect:
		s.metrics.Switch(o.From, o.Transport)
		if o.From == "none" { // it had no attachment before
			s.metrics.Resume()
		}
	case session.ObservedReplay:
		s.metrics.Replayed(o.Count)
	case session.ObservedRTT:
		s.metrics.RTT(o.Transport, o.RTT)
	case session.ObservedUp:
		s.metrics.Messages(metrics.Up, o.Count)
	case session.ObservedDown:
		s.metrics.Messages(metrics.Down, o.Count)
	case session.ObservedDetach: // no metric
	}
}

// states yields transport and state of each open session, for a scrape.
func (s *Server) states(yield func(transport, state string) bool) {
	for x := range s.registry.Sessions() {
		name, label := x.Transport(), stateLabels[x.State()]
		if name == "" {
			name = "none"
		}
		if label != "" && !yield(name, label) {
			return
		}
	}
}

// stateLabels are the states as the metrics name them. They are older than the names of the API.
var stateLabels = map[session.State]string{
	session.StateConnecting: "detached",
	session.StateOpen:       "attached",
	session.StateClosing:    "closing",
}

func (s *Server) retained() int64 { return s.registry.Retained() }

// start gives a new session to the application.
func (s *Server) start(x *session.Session) {
	s.cfg.Logger.Debug("session begins", "session", x.ID(), "transport", x.Transport())
	if s.cfg.OnSession != nil {
		s.cfg.OnSession(x)
	}
}

// end logs how a session ended.
func (s *Server) end(x *session.Session) {
	e, _ := x.Ended()
	s.cfg.Logger.Debug("session ended", "session", x.ID(), "code", int(e.Code), "reason", e.Reason, "remote", e.Remote,
		"sent", e.Sent, "delivered", e.Delivered)
}
