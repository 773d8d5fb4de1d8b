package metrics

import (
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func mustNew(t *testing.T, o Options) *Metrics {
	t.Helper()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// expect compares the series of one metric that are not zero with want, one per line.
func expect(t *testing.T, g prometheus.Gatherer, name string, want ...string) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var got []string
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, name) && !strings.HasSuffix(line, " 0") && !strings.Contains(line, "_bucket") {
			got = append(got, line)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCounts(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := mustNew(t, Options{Registerer: reg})

	m.Attach("websocket", "new")
	m.Attach("websocket", "new")
	m.Attach("sse", "resumed")
	m.Attach("carrier pigeon", "lost")
	expect(t, reg, "holdfast_attaches_total",
		`holdfast_attaches_total{outcome="new",transport="websocket"} 2`,
		`holdfast_attaches_total{outcome="other",transport="none"} 1`,
		`holdfast_attaches_total{outcome="resumed",transport="sse"} 1`)

	m.Switch("none", "longpoll")
	m.Switch("longpoll", "websocket")
	expect(t, reg, "holdfast_switches_total",
		`holdfast_switches_total{from="longpoll",to="websocket"} 1`,
		`holdfast_switches_total{from="none",to="longpoll"} 1`)

	m.Messages(Up, 3)
	m.Messages(Down, 5)
	m.Messages(Down, -1)
	m.Messages(Down, 0)
	expect(t, reg, "holdfast_messages_total",
		`holdfast_messages_total{direction="down"} 5`, `holdfast_messages_total{direction="up"} 3`)

	m.Resume()
	m.Replayed(7)
	m.Replayed(-7)
	expect(t, reg, "holdfast_resumes_total", `holdfast_resumes_total 1`)
	expect(t, reg, "holdfast_replayed_messages_total", `holdfast_replayed_messages_total 7`)

	m.Refusal("busy")
	m.Refusal("a reason a client made up")
	expect(t, reg, "holdfast_refusals_total",
		`holdfast_refusals_total{reason="busy"} 1`, `holdfast_refusals_total{reason="other"} 1`)

	m.RTT("longpoll", 250*time.Millisecond)
	m.RTT("longpoll", 500*time.Millisecond)
	m.RTT("longpoll", -time.Second)
	expect(t, reg, "holdfast_rtt_seconds",
		`holdfast_rtt_seconds_sum{transport="longpoll"} 0.75`, `holdfast_rtt_seconds_count{transport="longpoll"} 2`)
}

func TestEachValueHasItsCounter(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := mustNew(t, Options{Registerer: reg})
	for _, tr := range transports {
		for _, o := range outcomes {
			m.Attach(tr, o)
		}
		for _, to := range transports {
			m.Switch(tr, to)
		}
	}
	for _, r := range reasons {
		m.Refusal(r)
	}
	for name, want := range map[string]int{
		"holdfast_attaches_total": len(transports) * len(outcomes),
		"holdfast_switches_total": len(transports) * len(transports),
		"holdfast_refusals_total": len(reasons),
	} {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			if len(f.GetMetric()) != want {
				t.Errorf("%s has %d series, want %d", name, len(f.GetMetric()), want)
			}
			for _, s := range f.GetMetric() {
				if s.GetCounter().GetValue() != 1 {
					t.Errorf("%s: %v", name, s)
				}
			}
		}
	}
}

func TestScraped(t *testing.T) {
	reg := prometheus.NewRegistry()
	retained := int64(4096)
	sessions := [][2]string{{"websocket", "attached"}, {"websocket", "attached"}, {"none", "detached"}, {"?", "?"}}
	var all iter.Seq2[string, string] = func(yield func(string, string) bool) {
		for _, s := range sessions {
			if !yield(s[0], s[1]) {
				return
			}
		}
	}
	mustNew(t, Options{Registerer: reg, Sessions: all, RetainedBytes: func() int64 { return retained }})
	expect(t, reg, "holdfast_retained_bytes", "holdfast_retained_bytes 4096")
	expect(t, reg, "holdfast_sessions",
		`holdfast_sessions{state="attached",transport="websocket"} 2`,
		`holdfast_sessions{state="detached",transport="none"} 1`,
		`holdfast_sessions{state="other",transport="none"} 1`)
	sessions, retained = sessions[:1], 1
	expect(t, reg, "holdfast_retained_bytes", "holdfast_retained_bytes 1")
	expect(t, reg, "holdfast_sessions", `holdfast_sessions{state="attached",transport="websocket"} 1`)
}

func TestLint(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	mustNew(t, Options{Registerer: reg})
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 10 {
		t.Errorf("%d metrics, want 10: each is there before it counts", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "holdfast_") {
			t.Error(f.GetName())
		}
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := mustNew(t, Options{Registerer: prometheus.NewRegistry()})
	reason := strings.Clone("unknown")
	if n := testing.AllocsPerRun(100, func() {
		m.Attach("sse", "new")
		m.Switch("sse", "websocket")
		m.Messages(Up, 1)
		m.Messages(Down, 2)
		m.Replayed(1)
		m.Resume()
		m.Refusal(reason)
		m.RTT("websocket", time.Millisecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRegistries(t *testing.T) {
	t.Run("taken", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		m := mustNew(t, Options{Registerer: reg})
		m.Resume()
		var taken prometheus.AlreadyRegisteredError
		if _, err := New(Options{Registerer: reg}); !errors.As(err, &taken) {
			t.Fatalf("%v", err)
		}
		expect(t, reg, "holdfast_resumes_total", "holdfast_resumes_total 1") // the metrics of the first are still there
		m.Unregister()
		mustNew(t, Options{Registerer: reg})
	})
	t.Run("taken in part", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		other := prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_resumes_total", Help: "x"})
		reg.MustRegister(other)
		if _, err := New(Options{Registerer: reg}); err == nil {
			t.Fatal("no error")
		}
		if families, _ := reg.Gather(); len(families) != 1 {
			t.Errorf("%d metrics are left", len(families))
		}
	})
	t.Run("wrapped", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := mustNew(t, Options{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"server": "a"}, reg)})
		mustNew(t, Options{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"server": "b"}, reg)})
		a.Resume()
		expect(t, reg, "holdfast_resumes_total", `holdfast_resumes_total{server="a"} 1`)
		if body := scrape(t, a).Body.String(); !strings.Contains(body, "\nholdfast_resumes_total 1\n") {
			t.Errorf("%s", body)
		}
	})
}

func scrape(t *testing.T, m *Metrics) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w
}

func TestHandler(t *testing.T) {
	m := mustNew(t, Options{})
	m.Attach("longpoll", "new")
	w := scrape(t, m)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, want := range []string{
		`holdfast_attaches_total{outcome="new",transport="longpoll"} 1`, "go_goroutines ",
		"process_cpu_seconds_total ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}

	w = httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/metrics", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

func TestConcurrently(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := mustNew(t, Options{Registerer: reg})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				m.Messages(Up, 1)
			}
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			_, _ = io.Copy(io.Discard, w.Body)
		})
	}
	wg.Wait()
	expect(t, reg, "holdfast_messages_total", `holdfast_messages_total{direction="up"} 800`)
}

func BenchmarkMessages(b *testing.B) {
	m, err := New(Options{Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Messages(Down, 1)
	}
}
