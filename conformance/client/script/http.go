package script

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Request is a POST of the client.
type Request struct {
	N           int // of all, from 1
	Kind, Nonce string
	Raw         string
	Batch       *wire.Batch
	Header      http.Header
	At          time.Time
	Over        time.Time // when it was answered or given up

	s       *Server
	replies chan *Reply
	done    bool
}

// Reply says how a request is answered.
type Reply struct {
	Status int    // 0: 200
	Batch  string // goes into a body with the request's kind and nonce
	Body   string // the whole body, instead of Batch
	Header map[string]string
	Wait   time.Duration // before it
	Never  bool          // no answer: the connection stays
	Abort  bool          // the connection is cut, after Body if there is one
	stream *Attachment
}

// Is reports whether the request's batch has that control.
func (q *Request) Is(control string) bool { return q.Batch.Find(control) != nil }

// honest answers as the server has decided, unless the case alters the answer.
func (q *Request) honest(r *Reply) {
	if q.s.Alter != nil && !q.done {
		batch, body := r.Batch, r.Body
		q.s.Alter(q, r)
		q.s.Forged = q.s.Forged || r.Batch != batch || r.Body != body
	}
	q.answer(r)
}

func (q *Request) answer(r *Reply) {
	if !q.done {
		q.done = true
		q.replies <- r
	}
}

// ServeHTTP is the endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*") // an adapter's page has an origin of its own
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if r.URL.Path != s.urlPath && r.URL.Path != "/trap" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.mu.Lock()
	s.checkExposed(r)
	s.mu.Unlock()
	switch {
	case r.URL.Path == "/trap":
		w.WriteHeader(http.StatusTeapot)
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		s.socket(w, r)
	case r.Method == http.MethodPost:
		s.post(w, r)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// checkExposed judges what proxies and logs see of a request.
func (s *Server) checkExposed(r *http.Request) {
	switch {
	case r.URL.Path == "/trap":
		s.Trap++
		s.fault("HF1-HTTP-08", "the client follows a redirect")
	case r.Method == http.MethodOptions:
		s.fault("HF1-HTTP-06", "the client asks for a CORS preflight, for %s %s",
			r.Header.Get("Access-Control-Request-Method"), r.Header.Get("Access-Control-Request-Headers"))
	case r.URL.RawQuery != "":
		s.fault("HF1-HTTP-06", "the URL has a query: %s", r.URL.RawQuery)
	case r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain"):
		s.fault("HF1-HTTP-06", "a POST of %q", r.Header.Get("Content-Type"))
	}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-") || name == "Authorization" {
			s.fault("HF1-HTTP-06", "the header %s", name)
		}
		for _, v := range values {
			if s.Key != "" && strings.Contains(v, s.Key) {
				s.fault("HF1-HTTP-06", "the key in the header %s", name)
			}
		}
	}
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err != nil {
		return
	}
	q := &Request{Raw: string(raw), Header: r.Header, At: time.Now(), s: s, replies: make(chan *Reply, 1)}
	s.mu.Lock()
	s.handlePost(q)
	s.mu.Unlock()
	var a *Reply
	select {
	case a = <-q.replies:
	case <-r.Context().Done():
		a = &Reply{Abort: true}
	}
	if a.stream != nil {
		s.stream(w, r, q, a.stream)
		return
	}
	s.write(w, r, q, a)
}

// handlePost judges a request and answers it, at once or later.
func (s *Server) handlePost(q *Request) {
	q.N = len(s.Requests) + 1
	s.Requests = append(s.Requests, q)
	s.t.Logf("<- %q", shorten(q.Raw))
	body, err := wire.ParseBody([]byte(q.Raw))
	if err != nil {
		s.faultFrom(err)
		q.answer(&Reply{Status: http.StatusBadRequest})
		return
	}
	q.Kind, q.Nonce, q.Batch = body.Kind, body.Nonce, body.Batch
	// When a connection that it used before breaks, a browser may send the POST again by itself.
	// That copy is equal to the last byte.
	if before := s.nonces[q.Nonce]; q.Nonce == "-" || before != "" && before != q.Raw {
		s.fault("HF1-HTTP-01", "the nonce %q was used before", q.Nonce)
	}
	s.nonces[q.Nonce] = q.Raw
	want := map[string]string{"open": "!open", "stream": "!open", "poll": "!poll", "up": "!up"}[q.Kind]
	if len(q.Batch.Lines) == 0 || !q.Batch.Lines[0].Is(want) {
		s.fault("HF1-ERR-05", "a body of kind %s whose first line is not %s", q.Kind, want)
		q.answer(&Reply{Status: http.StatusBadRequest})
		return
	}
	if q.Kind == "stream" && !strings.Contains(q.Header.Get("Accept"), "text/event-stream") {
		s.fault("HF1-SSE-05", "a stream is asked for with Accept: %s", q.Header.Get("Accept"))
	}
	s.checkConcurrency(q)
	if s.Refuse != "" {
		s.Refusals++
		q.answer(s.refusal(q))
		s.change()
		return
	}
	if s.Request != nil {
		if r := s.Request(q); r != nil {
			s.Forged = s.Forged || r.Batch != ""
			q.answer(r)
			return
		}
	}
	s.serve(q)
	s.change()
}

// checkConcurrency counts the requests of an attachment that are in flight (HF1-POL-04,
// HF1-POL-05). It counts after a while, because a request that the client has given up may look
// open for a moment.
func (s *Server) checkConcurrency(q *Request) {
	if q.Kind != "poll" && q.Kind != "up" || q.Is("!use") || s.Lossy {
		return
	}
	att := q.Batch.Lines[0].Number("att")
	s.later(300*time.Millisecond, func() {
		polls, ups := 0, 0
		for _, other := range s.Requests[max(0, len(s.Requests)-50):] {
			if !other.Over.IsZero() || other.Batch == nil || len(other.Batch.Lines) == 0 ||
				other.Batch.Lines[0].Number("att") != att || other.Is("!use") {
				continue
			}
			switch other.Kind {
			case "poll":
				polls++
			case "up":
				ups++
			}
		}
		if polls > 1 {
			s.fault("HF1-POL-04", "%d polls of one attachment hang at a time", polls)
		}
		if ups > 1 {
			s.fault("HF1-POL-05", "%d up requests at a time", ups)
		}
	})
}

// refusal is the answer of a server that refuses everything. On a stream it is the first event, and
// the stream ends.
func (s *Server) refusal(q *Request) *Reply {
	if q.Kind != "stream" {
		return &Reply{Batch: "@1 0\n" + s.Refuse + "\n"}
	}
	return q.event("@1 0", s.Refuse)
}

// event answers a stream with one event and no other.
func (q *Request) event(lines ...string) *Reply {
	return &Reply{
		Header: map[string]string{"Content-Type": "text/event-stream"},
		Body: ":" + strings.Repeat(" ", 2048) + "\n\ndata:holdfast/1 stream " + q.Nonce + "\ndata:" +
			strings.Join(lines, "\ndata:") + "\ndata:.\n\n",
	}
}

// serve is what an honest server does.
func (s *Server) serve(q *Request) {
	var r *Reply
	switch q.Kind {
	case "open", "stream":
		transport := LongPoll
		if q.Kind == "stream" {
			transport = SSE
		}
		if s.Ended != "" && q.Batch.Lines[0].Text("key") == s.Key {
			if r = (&Reply{Batch: s.head(1) + s.Ended + "\n"}); q.Kind == "stream" {
				r = q.event(strings.TrimSuffix(s.head(1), "\n"), s.Ended)
			}
			break
		}
		p := s.open(transport, q.Batch)
		s.take(q.Batch)
		r = &Reply{Batch: s.head(s.Acked+1) + s.Opened(p) + "\n"}
		if q.Kind == "stream" {
			r.stream = p
		}
	case "up":
		r = s.answerUp(q)
	case "poll":
		if r = s.poll(q); r == nil {
			return
		}
	}
	q.honest(r)
}

// poll answers a poll, or lets it hang.
func (s *Server) poll(q *Request) *Reply {
	p, r := s.addressed(q)
	if r != nil {
		return r
	}
	l := &q.Batch.Lines[0]
	p.Polls++
	if recv := l.Number("recv"); recv > s.Sent {
		s.fault("HF1-NUM-09", "!poll with a position of %d where %d lines were sent", recv, s.Sent)
	} else {
		p.setPosition(max(recv, q.Batch.Ack))
	}
	if n := l.Number("p"); n < p.p {
		return &Reply{Batch: s.head(s.Acked+1) + s.ReplyLine() + "\n"}
	} else if p.p = n; p.poll != nil {
		p.poll.honest(&Reply{Batch: s.head(s.Acked+1) + s.ReplyLine() + "\n"})
	}
	p.poll = nil
	s.take(q.Batch)
	answers := s.controls(p, q.Batch)
	p.poll = q
	hold := time.Duration(s.Hold) * time.Millisecond
	if h := l.Number("hold"); h > 0 {
		hold = min(hold, time.Duration(h)*time.Millisecond)
	}
	s.after(q.Batch)
	if p.poll != q || !p.Alive {
		return nil // answered
	}
	if len(answers) > 0 || q.Batch.Logs() > 0 {
		p.poll = nil
		r := s.reply(p, "")
		for _, a := range answers {
			if !strings.HasPrefix(a, "!reply") {
				r.Batch += a + "\n"
			}
		}
		return r
	}
	s.later(hold, func() {
		if p.poll == q {
			p.poll = nil
			q.honest(s.reply(p, ""))
		}
	})
	return nil
}

// write writes an answer.
func (s *Server) write(w http.ResponseWriter, r *http.Request, q *Request, a *Reply) {
	defer func() {
		s.mu.Lock()
		q.Over = time.Now()
		s.mu.Unlock()
	}()
	if a.Wait > 0 {
		select {
		case <-time.After(a.Wait):
		case <-r.Context().Done():
			return
		}
	}
	if a.Never {
		<-r.Context().Done()
		return
	}
	body := a.Body
	if body == "" && a.Batch != "" {
		body = wire.WrapBody(q.Kind, q.Nonce, a.Batch)
	}
	s.t.Logf("-> %d %q", a.Status, shorten(body))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if a.Abort {
		if body != "" {
			_, _ = io.WriteString(w, body)
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = io.WriteString(w, body)
}
