// Package metrics counts what a server does, for Prometheus.
//
// All label values come from closed sets, so that no client can add a series; other values count as
// "other" (or as transport "none"). The counters of each set are created in advance, so counting
// allocates nothing.
package metrics

import (
	"iter"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Direction is the direction of a message.
type Direction int

// The directions, as the protocol calls them.
const (
	Up   Direction = iota // from the client
	Down                  // to the client
)

// Options are the settings of [Metrics]. The zero value works.
type Options struct {
	// Registerer registers the collectors. Nil means an own registry, which then also has the
	// metrics of the process and the Go runtime. Two servers on one registry need a
	// [prometheus.WrapRegistererWith] label each.
	Registerer prometheus.Registerer
	// Sessions yields transport and state of each session. It is called at each scrape, because a
	// separate count could become wrong. Transport is "none" for a session without an attachment;
	// the states are attached, detached and closing.
	Sessions iter.Seq2[string, string]
	// RetainedBytes returns the unacknowledged bytes of all sessions; it is called at each scrape.
	RetainedBytes func() int64
}

// Metrics are the counters of one server. Many goroutines may call the methods at the same time;
// none blocks.
type Metrics struct {
	attaches [][]prometheus.Counter // by transport, outcome
	switches [][]prometheus.Counter // by from, to
	messages [2]prometheus.Counter  // by Direction
	refusals []prometheus.Counter   // by reason
	rtt      []prometheus.Observer  // by transport
	resumes  prometheus.Counter
	replayed prometheus.Counter
	accepts  prometheus.Counter // errors

	registerer prometheus.Registerer
	gatherer   prometheus.Gatherer
	collectors []prometheus.Collector
}

// New makes the collectors and registers them. The error is that of the registry, such as
// [prometheus.AlreadyRegisteredError]; then nothing stays registered.
func New(o Options) (*Metrics, error) {
	m := &Metrics{registerer: o.Registerer}
	m.makeCounters()
	m.collectors = append(m.collectors, sessionsCollector{o.Sessions}, newRetained(o.RetainedBytes))

	if m.registerer == nil {
		own := prometheus.NewRegistry()
		m.registerer, m.gatherer = own, own
		m.collectors = append(m.collectors, collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	} else if g, ok := m.registerer.(prometheus.Gatherer); ok {
		m.gatherer = g
	}
	for i, c := range m.collectors {
		if err := m.registerer.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.Unregister()
			return nil, err
		}
	}
	if m.gatherer == nil { // a wrapped registerer cannot be read, so the handler needs its own registry
		own := prometheus.NewRegistry()
		for _, c := range m.collectors {
			own.MustRegister(c)
		}
		m.gatherer = own
	}
	return m, nil
}

// Unregister removes the collectors from the registry, so that another server may use it.
func (m *Metrics) Unregister() {
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}

// Attach counts an attach on a transport; outcome is new, resumed, retried, refused or failed.
func (m *Metrics) Attach(transport, outcome string) {
	m.attaches[transports.index(transport)][outcomes.index(outcome)].Inc()
}

// Switch counts a change of the selected transport; from is "none" when there was no attachment.
func (m *Metrics) Switch(from, to string) {
	m.switches[transports.index(from)][transports.index(to)].Inc()
}

// Resume counts a session that went on after a time without an attachment.
func (m *Metrics) Resume() { m.resumes.Inc() }

// Replayed counts n messages sent again. A negative n is ignored.
func (m *Metrics) Replayed(n int) { add(m.replayed, n) }

// Messages counts n messages that came (Up) or were sent (Down) the first time. A negative n is
// ignored.
func (m *Metrics) Messages(d Direction, n int) { add(m.messages[d], n) }

// AcceptError counts a connection that could not be accepted.
func (m *Metrics) AcceptError() { m.accepts.Inc() }

// Refusal counts a refusal by its reason in the protocol.
func (m *Metrics) Refusal(reason string) { m.refusals[reasons.index(reason)].Inc() }

// RTT records one measured round trip. A negative one is ignored.
func (m *Metrics) RTT(transport string, d time.Duration) {
	if d >= 0 {
		m.rtt[transports.index(transport)].Observe(d.Seconds())
	}
}

// add ignores negative numbers, which would be a panic: counters do not go down.
func add(c prometheus.Counter, n int) {
	if n > 0 {
		c.Add(float64(n))
	}
}

// maxScrapes bounds the scrapes at the same time; one more gets a 503.
const maxScrapes = 4

// Handler serves the metrics in Prometheus' formats, without authentication: mount it where only
// the scraper has access.
func (m *Metrics) Handler() http.Handler {
	next := promhttp.HandlerFor(m.gatherer, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		Timeout:             10 * time.Second,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
