package cases

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/server"
	"github.com/holdfast-rt/holdfast/conformance/suite"
)

func streamCases() suite.Set {
	stream := func(id, says, check string, run func(*suite.T, *server.Session)) suite.Set {
		return each(id, says, []string{check}, func(t *suite.T, s *server.Session, _ string) { run(t, s) }, suite.SSE)
	}
	return slices.Concat(
		stream("stream/at-once",
			"Headers, comment and opened come at once, and headers that keep proxies from holding them back.",
			"HF1-SSE-01", streamAtOnce),
		stream("stream/beacons", "Beacon 1 comes in an event of its own right after the first, beacon 2 300 ms later.",
			"HF1-SSE-02", streamBeacons),
		stream("stream/refused", "A refusal is the first event, and the stream ends.", "HF1-ERR-03", streamRefused),
		stream("stream/ticket", "A ticket opens one stream, once; a spent or unknown one is answered 204.",
			"HF1-SSE-06", streamTicket),
		stream("stream/ticket-without-nonce", "A stream opened by ticket without a nonce has the nonce -.",
			"HF1-SSE-06", streamTicketDash),
		within(45, stream("stream/ticket-expires", "A ticket is valid for 30 s.", "HF1-SSE-06", streamTicketExpires)),
		stream("stream/ticket-of-an-ended-session",
			"A ticket is bound to the run: after the session it is answered 204.", "HF1-SSE-06", streamTicketEnded),
	)
}

func streamAtOnce(t *suite.T, s *server.Session) {
	start := time.Now()
	s.Open(suite.SSE, server.Open{Meta: server.App("slow", "delay", 3000)})
	if took := time.Since(start); took > 3*time.Second {
		t.Fatalf("opened came after %v", took)
	}
}

func streamBeacons(t *suite.T, s *server.Session) {
	p := s.Open(suite.SSE, server.Open{Meta: server.App("echo")})
	opened := time.Now()
	for i := uint64(1); i <= 2; i++ {
		e, ok := p.Wait(2*time.Second, func(server.Event) bool { return true })
		if !ok || e.Batch == nil || len(e.Batch.Lines) != 1 || !e.Batch.Lines[0].Is("?beacon") ||
			e.Batch.Lines[0].Number("i") != i {
			t.Fatalf("where beacon %d is due in an event of its own, there came %s", i, e)
		}
	}
	if took := time.Since(opened); took < 250*time.Millisecond || took > 2*time.Second {
		t.Fatalf("beacon 2 came %v after opened", took)
	}
}

// ticket asks for a ticket, for the next attachment.
func ticket(t *suite.T, s *server.Session, p *server.Attachment) (ticket string, att, u uint64) {
	att, u = s.Att+1, s.U+1
	s.Att, s.U = att, u
	b := p.Up(controlLine("!ticket", map[string]any{"att": att, "u": u, "recv": s.Recv()}))
	if b == nil || b.Find("!ticket") == nil {
		t.Skipf("the server gives no tickets: %v", b)
	}
	k := b.Find("!ticket")
	if ttl := k.Number("ttl"); k.Text("ticket") == "" || ttl == 0 || ttl > 30000 {
		t.Fatalf("a ticket is valid for 30 s at most: %s", k)
	}
	return k.Text("ticket"), att, u
}

func streamTicket(t *suite.T, s *server.Session) {
	p := s.Open(suite.SSE, server.Open{Meta: server.App("echo")})
	k, att, u := ticket(t, s, p)
	q := s.FollowTicket("?ticket="+k+"&nonce=nonce-of-a-ticket", "nonce-of-a-ticket", att)
	selection(t, q.Control("!opened", server.Within), u, att)
	q.Up("tone")
	s.Expect("tone")
	for what, query := range map[string]string{
		"a spent ticket": "?ticket=" + k, "an unknown ticket": "?ticket=unknown-unknown-unknown",
	} {
		r := s.Target.Request(t.Context(), http.MethodGet, query, "", nil)
		if r.Err != nil || r.Status != http.StatusNoContent {
			t.Fatalf("%s was answered with status %d, %v, not 204", what, r.Status, r.Err)
		}
		blame(t, server.CheckAnyHeaders(r.Header))
	}
	q.Up("ttwo")
	s.Expect("ttwo")
}

func streamTicketDash(t *suite.T, s *server.Session) {
	p := s.Open(suite.SSE, server.Open{Meta: server.App("echo")})
	k, att, u := ticket(t, s, p)
	q := s.FollowTicket("?ticket="+k, "-", att)
	selection(t, q.Control("!opened", server.Within), u, att)
}

func streamTicketExpires(t *suite.T, s *server.Session) {
	p := s.Open(suite.SSE, server.Open{Meta: server.App("echo")})
	k, _, _ := ticket(t, s, p)
	for range 8 {
		t.Sleep(4 * time.Second)
		p.Up(`!pong {"i":1}`) // so that the session stays
	}
	if r := s.Target.Request(t.Context(), http.MethodGet, "?ticket="+k, "", nil); r.Err != nil ||
		r.Status != http.StatusNoContent {
		t.Fatalf("a ticket of 32 s ago was answered with status %d, %v, not 204", r.Status, r.Err)
	}
}

func streamTicketEnded(t *suite.T, s *server.Session) {
	p := s.Open(suite.SSE, server.Open{Meta: server.App("echo")})
	k, _, _ := ticket(t, s, p)
	p.Up(`!close {"code":4100,"reason":""}`)
	p.Control("!closed", server.Within)
	if r := s.Target.Request(t.Context(), http.MethodGet, "?ticket="+k, "", nil); r.Err != nil ||
		r.Status != http.StatusNoContent {
		t.Fatalf("a ticket of an ended session was answered with status %d, %v, not 204", r.Status, r.Err)
	}
}

func socketCases() suite.Set {
	socket := func(id, says string, checks []string, run func(*suite.T, *server.Session)) suite.Set {
		return each(id, says, checks, func(t *suite.T, s *server.Session, _ string) { run(t, s) }, suite.WS)
	}
	return slices.Concat(
		socket("socket/client-first", "The client sends first: nothing is sent before its !open.",
			[]string{"HF1-WSK-01"}, socketFirst),
		socket("socket/first-frame", "A first frame that is no !open is a fault.", []string{"HF1-WSK-01"},
			socketNoOpen),
		socket("socket/subprotocol", "No subprotocol is needed; holdfast.v1 is selected if it is offered.",
			[]string{"HF1-WSK-02"}, socketSubprotocol),
		socket("socket/extensions", "No extension is used that was not negotiated.", []string{"HF1-WSK-02"},
			socketExtensions),
		socket("socket/handshake", "101 answers only a full, valid handshake; any other gets an HTTP error.",
			[]string{"HF1-WSK-03"}, socketHandshake),
		socket("socket/fragments", "A frame may come in fragments, with control frames between.",
			[]string{"HF1-BAT-01"}, socketFragments),
	)
}

func socketFirst(t *suite.T, s *server.Session) {
	w, err := s.Target.Socket(t.Context(), nil)
	if err != nil || w.Response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no WebSocket: %v", err)
	}
	w.ReadWithin(1200 * time.Millisecond)
	if f, err := w.Read(); err == nil {
		t.Fatalf("before the first message there came a frame: %q", f.Payload)
	}
	w.Close(false)
}

func socketNoOpen(t *suite.T, s *server.Session) {
	for _, b := range []string{
		"@1 0\ntone\n", "@1 0\n", "@1 0\n!ping {\"i\":1}\n", "hello", "@1 0\ntone\n" + s.OpenLine(server.Open{}),
	} {
		p := s.Start(suite.WS, b, nil)
		e, ok := p.Wait(server.Within, func(e server.Event) bool { return true })
		if !ok || e.Batch != nil &&
			(e.Batch.Find("!refused") == nil || e.Batch.Find("!refused").Text("reason") != "malformed") {
			t.Fatalf("the first frame %q was answered by %s", b, e)
		}
		if e.Batch != nil {
			p.End(server.Within)
		}
	}
}

func socketSubprotocol(t *suite.T, s *server.Session) {
	for offered, want := range map[string]string{
		"holdfast.v1": "holdfast.v1", "other, holdfast.v1": "holdfast.v1", "other": "", "": "",
	} {
		w, err := s.Target.Socket(t.Context(), map[string]string{"Sec-WebSocket-Protocol": offered})
		if err != nil || w.Response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("no WebSocket with the subprotocol %q: %v", offered, err)
		}
		if got := w.Response.Header.Get("Sec-WebSocket-Protocol"); got != want {
			t.Fatalf("of %q the subprotocol %q was selected", offered, got)
		}
		w.Close(false)
	}
}

func socketHandshake(t *suite.T, s *server.Session) {
	for _, wrong := range []map[string]string{
		{"Sec-WebSocket-Key": ""},
		{"Sec-WebSocket-Key": "short"},
		{"Sec-WebSocket-Version": "12"},
		{"Sec-WebSocket-Version": ""},
		{"Connection": "keep-alive"},
		{"Upgrade": "h2c"},
		{":method": "POST", "Content-Length": "0"},
	} {
		w, err := s.Target.Socket(t.Context(), wrong)
		if err != nil {
			t.Fatalf("a handshake with %v: %v", wrong, err)
		}
		if c := w.Response.StatusCode; c < 400 || c > 599 {
			t.Fatalf("a handshake with %v was answered %d", wrong, c)
		}
		blame(t, server.CheckAnyHeaders(w.Response.Header))
		w.Close(true)
	}
}

func socketFragments(_ *suite.T, s *server.Session) {
	p := s.Open(suite.WS, server.Open{Meta: server.App("echo")})
	text := "@1 0\nt" + strings.Repeat("é", 100) + "\n"
	cut := len(text) / 2
	s.SetUp(1)
	_ = p.Socket.WriteFrame(0x01, 7, []byte(text[:7]))
	_ = p.Socket.Write(server.OpPing, []byte("between"))
	_ = p.Socket.WriteFrame(0x00, cut-7, []byte(text[7:cut])) // within a character
	_ = p.Socket.WriteFrame(0x80, len(text)-cut, []byte(text[cut:]))
	s.Expect(fmt.Sprintf("t%s", strings.Repeat("é", 100)))
}

func streamRefused(t *suite.T, s *server.Session) {
	s.ExpectRefused(suite.SSE, "auth", server.Open{Auth: "refuse"})
}

func socketExtensions(_ *suite.T, s *server.Session) {
	p := s.Open(suite.WS, server.Open{Meta: server.App("source", "count", 50, "size", 1000)})
	s.WaitMessages(50, server.Within)
	p.Drop()
}
