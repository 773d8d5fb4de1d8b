package server

import (
	"net/http"

	"github.com/holdfast-rt/holdfast/server/internal/metrics"
	"github.com/holdfast-rt/holdfast/session"
)

// Metrics serves the metrics for Prometheus. It has no authentication: mount it where only the
// operator has access.
func (s *Server) Metrics() http.Handler { return s.metrics.Handler() }

// observe counts what the sessions report.
func (s *Server) observe(o session.Observation) {
	switch o.What {
	case "attach":
		s.metrics.Attach(o.Transport, o.Other)
	case "refuse":
		s.metrics.Attach(o.Transport, "refused")
		s.metrics.Refusal(o.Other)
	case "select":
		s.metrics.Switch(o.Other, o.Transport)
		if o.Other == "none" { // it had no attachment before
			s.metrics.Resume()
		}
	case "replay":
		s.metrics.Replayed(o.N)
	case "rtt":
		s.metrics.RTT(o.Transport, o.RTT)
	case "up":
		s.metrics.Messages(metrics.Up, o.N)
	case "down":
		s.metrics.Messages(metrics.Down, o.N)
	}
}

// states yields transport and state of each open session, for a scrape.
func (s *Server) states(yield func(transport, state string) bool) {
	for x := range s.table.Sessions() {
		name, state := x.Transport(), x.State()
		if name == "" {
			name = "none"
		}
		if state != session.StateEnded && !yield(name, string(state)) {
			return
		}
	}
}

func (s *Server) retained() int64 { return s.table.Retained() }

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
