package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is what lies between client and server in a test.
type network func(server http.Handler) http.Handler

// place is a real server behind a network.
type place struct {
	*transporttest.Server
	server *server.Server
}

func open(t *testing.T, cfg server.Config, n network) *place {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = s
	if n != nil {
		h = n(s)
	}
	p := &place{transporttest.NewServer(h), s}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = s.Shutdown(ctx)
		p.Close()
		time.Sleep(time.Minute) // virtual time, until the networks that sleep are done
		synctest.Wait()
	})
	return p
}

func (p *place) diagnose(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	o.DialContext = p.Dial
	began := time.Now()
	r, err := doctor.Diagnose(t.Context(), p.URL+"?token=hunter2", &o)
	if err != nil {
		t.Fatal(err)
	}
	limit := 15 * time.Second
	if o.Long {
		limit = 95 * time.Second
	}
	if took := time.Since(began); took > limit {
		t.Errorf("the diagnosis took %s, want %s at most", took, limit)
	}
	text := r.Text()
	for _, secret := range []string{"token=", "hunter2"} {
		if strings.Contains(text, secret) {
			t.Errorf("the report shows %q: %s", secret, text)
		}
	}
	return r
}

// check checks that the report has these findings and no others, and the states of websocket, sse
// and longpoll.
func check(t *testing.T, r *doctor.Report, verdict doctor.Verdict, states string, want map[string]string) {
	t.Helper()
	for id, evidence := range want {
		if !r.Has(id) {
			t.Errorf("the finding %s is missing", id)
		}
		for _, f := range r.Findings {
			if f.ID == id && !strings.Contains(strings.Join(f.Evidence, "\n"), evidence) {
				t.Errorf("%s: the evidence %q does not contain %q", id, f.Evidence, evidence)
			}
		}
	}
	for _, f := range r.Findings {
		if _, ok := want[f.ID]; !ok {
			t.Errorf("the finding %s is wrong: %q", f.ID, f.Evidence)
		}
		if f.Title == "" || f.Advice == "" || len(f.Evidence) == 0 {
			t.Errorf("the finding %+v has no title, advice or evidence", f)
		}
	}
	var got []string
	for _, x := range r.Transports {
		got = append(got, x.State)
	}
	if strings.Join(got, " ") != states || r.Verdict != verdict {
		t.Errorf("the verdict is %s, with the states %v; want %s, %s", r.Verdict, got, verdict, states)
	}
	if t.Failed() {
		t.Log(r.Text())
	}
}

// A clean network gives no findings, whatever the application does, and no session stays open.
func TestClean(t *testing.T) {
	for name, app := range map[string]func(*session.Session){
		"silent": nil,
		"echo": func(s *session.Session) {
			s.OnMessage(func(m session.Message) { _, _ = s.Send(context.Background(), m) })
		},
		"talks": func(s *session.Session) {
			s.OnMessage(func(session.Message) {})
			go func() {
				for {
					if _, err := s.Send(context.Background(), session.Text(strings.Repeat("x", 3000))); err != nil {
						return
					}
					select {
					case <-s.Done():
					case <-time.After(700 * time.Millisecond):
					}
				}
			}()
		},
	} {
		for _, long := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := open(t, server.Config{OnSession: app}, nil)
					r := p.diagnose(t, doctor.Options{Long: long})
					check(t, r, doctor.Good, "fits fits fits", nil)
					if app == nil {
						return // it does not read the close, so the session stays
					}
					synctest.Wait() // until the application has read the close
					for s := range p.server.Sessions() {
						t.Errorf("the session %s is still open", s.ID())
					}
				})
			})
		}
	}
}

// holding is a ResponseWriter that decides when the bytes go on to the client.
type holding struct {
	http.ResponseWriter
	eager bool           // the header goes on at once
	write func(p []byte) // instead of Write
}

// WriteHeader sends the header at once if eager, else with the first bytes of the body.
func (h *holding) WriteHeader(status int) {
	if h.ResponseWriter.WriteHeader(status); h.eager {
		_ = http.NewResponseController(h.ResponseWriter).Flush()
	}
}
func (h *holding) Write(p []byte) (int, error) { h.write(p); return len(p), nil }
func (h *holding) FlushError() error           { return nil }
func (h *holding) Unwrap() http.ResponseWriter { return h.ResponseWriter }
func (h *holding) pass(p []byte) {
	_, _ = h.ResponseWriter.Write(p)
	_ = http.NewResponseController(h.ResponseWriter).Flush()
}

// streams lets a network change the answers to requests for streams.
func streams(eager bool, f func(h *holding) (write func([]byte), end func())) network {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "text/event-stream" {
				next.ServeHTTP(w, r)
				return
			}
			h := &holding{ResponseWriter: w, eager: eager}
			var end func()
			h.write, end = f(h)
			next.ServeHTTP(h, r)
			end()
		})
	}
}

func TestStreams(t *testing.T) {
	for name, c := range map[string]struct {
		n        network
		id, says string
	}{
		"held, header too": {streams(false, func(h *holding) (func([]byte), func()) {
			var kept bytes.Buffer
			return func(p []byte) { kept.Write(p) }, func() { h.pass(kept.Bytes()) }
		}), "sse-held", "all of it"},
		"held behind the header": {streams(true, func(h *holding) (func([]byte), func()) {
			var kept bytes.Buffer
			return func(p []byte) { kept.Write(p) }, func() { h.pass(kept.Bytes()) }
		}), "sse-held", "only header before; all of it"},
		"buffer of 4 KiB": {streams(true, func(h *holding) (func([]byte), func()) {
			var kept bytes.Buffer
			return func(p []byte) {
				if kept.Write(p); kept.Len() > 4<<10 {
					h.pass(kept.Bytes())
					kept.Reset()
				}
			}, func() { h.pass(kept.Bytes()) }
		}), "sse-threshold", "KiB more"},
		"buffer of 24 KiB, header too": {
			streams(false, func(h *holding) (func([]byte), func()) {
				var kept bytes.Buffer
				return func(p []byte) {
					if kept.Write(p); kept.Len() > 24<<10 {
						h.pass(kept.Bytes())
						kept.Reset()
					}
				}, func() { h.pass(kept.Bytes()) }
			}), "sse-threshold",
			"no byte of the answer within 3000 ms, while a request beside it was answered; " +
				"it came when the server had sent about 2",
		},
		"one behind": {streams(true, func(h *holding) (func([]byte), func()) {
			var last []byte
			event := []byte{}
			return func(p []byte) {
				if event = append(event, p...); !bytes.HasSuffix(event, []byte("\n\n")) {
					return
				}
				h.pass(last)
				last, event = event, nil
			}, func() { h.pass(last) }
		}), "sse-one-behind", "3 words"},
		"late": {streams(true, func(h *holding) (func([]byte), func()) {
			type piece struct {
				p  []byte
				at time.Time
			}
			late, passed := make(chan piece, 1000), make(chan struct{})
			go func() {
				defer close(passed)
				for x := range late {
					time.Sleep(time.Until(x.at))
					h.pass(x.p)
				}
			}()
			return func(p []byte) { late <- piece{bytes.Clone(p), time.Now().Add(2400 * time.Millisecond)} },
				func() { close(late); <-passed }
		}), "sse-delayed", "beacon 1 after 2400 ms"},
		"cut": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") == "text/event-stream" {
					ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
					defer cancel()
					r = r.WithContext(ctx)
				}
				next.ServeHTTP(w, r)
			})
		}, "sse-cut", "5000 ms after the request"},
		"falls silent": {streams(true, func(h *holding) (func([]byte), func()) {
			began := time.Now()
			return func(p []byte) {
				if time.Since(began) < 3*time.Second {
					h.pass(p)
				}
			}, func() {}
		}), "sse-silent", "its pong did not come"},
		"refused": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") == "text/event-stream" {
					http.Error(w, "no streams here", http.StatusForbidden)
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "sse-refused", "status 403 Forbidden, “no streams here”"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, server.Config{}, c.n).diagnose(t, doctor.Options{})
				check(t, r, doctor.Degraded, "fits fails fits", map[string]string{c.id: c.says})
			})
		})
	}
}

// docs/doctor.md has every finding, with the same text.
func TestDocs(t *testing.T) {
	docs, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("findings.json")
	if err != nil {
		t.Fatal(err)
	}
	var findings map[string]struct {
		Severity, Title, Advice string
		Class                   []string
	}
	if err := json.Unmarshal(file, &findings); err != nil {
		t.Fatal(err)
	}
	for id, f := range findings {
		row := regexp.MustCompile("(?m)^\\| `" + id + "` .*$").FindString(string(docs))
		if !strings.Contains(row, f.Title) || !strings.Contains(row, f.Advice) ||
			!strings.Contains(row, "| "+strings.Join(f.Class, " ")+" |") {
			t.Errorf("%s: its row in docs/doctor.md is %q, which is not its text", id, row)
		}
	}
	if rows := strings.Count(string(docs), "<br>"); rows != len(findings) {
		t.Errorf("docs/doctor.md has %d rows for %d findings", rows, len(findings))
	}
}
