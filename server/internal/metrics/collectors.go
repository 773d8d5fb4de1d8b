package metrics

import (
	"iter"

	"github.com/prometheus/client_golang/prometheus"
)

// values is a closed set of label values; the last one is used for all values that are not in it.
type values []string

func (v values) index(s string) int {
	for i, x := range v {
		if x == s {
			return i
		}
	}
	return len(v) - 1
}

// Closed sets, not state: nothing writes to them.
var (
	transports = values{"websocket", "sse", "longpoll", "none"}
	states     = values{"attached", "detached", "closing", "other"}
	outcomes   = values{"new", "resumed", "retried", "refused", "failed", "other"}
	reasons    = values{
		"unknown", "auth", "origin", "policy", "version", "busy", "draining", "position", "malformed", "other",
	}
	directions = values{"up", "down"}
)

// rttBuckets go from a local network to a satellite link with a queue, in seconds.
var rttBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// makeCounters makes each counter vector and resolves its children.
func (m *Metrics) makeCounters() {
	attaches := m.counters("holdfast_attaches_total", "Attaches by transport and outcome.", "transport", "outcome")
	switches := m.counters("holdfast_switches_total", "Changes of the selected transport.", "from", "to")
	messages := m.counters("holdfast_messages_total", "Messages by direction, each counted once.", "direction")
	refusals := m.counters("holdfast_refusals_total", "Refusals by reason.", "reason")
	resumes := m.counters("holdfast_resumes_total", "Sessions that went on after they had been without a path.")
	replayed := m.counters("holdfast_replayed_messages_total", "Messages sent once more after a loss.")
	accepts := m.counters("holdfast_accept_errors_total", "Connections that could not be accepted.")
	rtt := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "holdfast_rtt_seconds", Help: "Round trips of the protocol's own pings, by transport.",
		Buckets: rttBuckets,
	}, []string{"transport"})
	m.collectors = append(m.collectors, rtt)

	for _, t := range transports {
		m.attaches = append(m.attaches, resolve(attaches, outcomes, t))
		m.switches = append(m.switches, resolve(switches, transports, t))
		m.rtt = append(m.rtt, rtt.WithLabelValues(t))
	}
	copy(m.messages[:], resolve(messages, directions))
	m.refusals = resolve(refusals, reasons)
	m.resumes = resumes.WithLabelValues()
	m.replayed = replayed.WithLabelValues()
	m.accepts = accepts.WithLabelValues()
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.collectors = append(m.collectors, v)
	return v
}

// resolve returns the child of each value of the last label.
func resolve(v *prometheus.CounterVec, last values, before ...string) []prometheus.Counter {
	var list []prometheus.Counter
	for _, x := range last {
		list = append(list, v.WithLabelValues(append(before[:len(before):len(before)], x)...))
	}
	return list
}

func newRetained(bytes func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_retained_bytes", Help: "Bytes kept until they are acknowledged, of all sessions.",
	}, func() float64 {
		if bytes == nil {
			return 0
		}
		return float64(bytes())
	})
}

// sessionsCollector counts the open sessions at each scrape.
type sessionsCollector struct {
	sessions iter.Seq2[string, string]
}

var sessionsDesc = prometheus.NewDesc("holdfast_sessions", "Living sessions by transport and state.",
	[]string{"transport", "state"}, nil)

// Describe implements [prometheus.Collector].
func (c sessionsCollector) Describe(ch chan<- *prometheus.Desc) { ch <- sessionsDesc }

// Collect implements [prometheus.Collector]. Each pair exists from the start, so that no graph has
// a gap at its beginning.
func (c sessionsCollector) Collect(ch chan<- prometheus.Metric) {
	counts := make([]int, len(transports)*len(states))
	if c.sessions != nil {
		for t, s := range c.sessions {
			counts[transports.index(t)*len(states)+states.index(s)]++
		}
	}
	for i, n := range counts {
		ch <- prometheus.MustNewConstMetric(sessionsDesc, prometheus.GaugeValue, float64(n),
			transports[i/len(states)], states[i%len(states)])
	}
}
