package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// trouble is what went wrong with a request: a finding in the making. One without an id says that
// the time was over.
type trouble struct{ id, evidence string }

// reply is an answer with status 200 whose header has come.
type reply struct {
	*http.Response
	preamble transport.Preamble
	sent     time.Time
	cancel   context.CancelFunc
}

// send makes a POST and waits for the answer's header. ctx ends the reply too.
func (p *probe) send(ctx context.Context, kind transport.Kind, wait time.Duration, batch []byte) (*reply, *trouble) {
	live, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(wait, cancel)
	pre := transport.Preamble{Kind: kind, Nonce: transport.NewNonce()}
	body := append(append(pre.AppendTo(nil), batch...), transport.End...)
	req, err := http.NewRequestWithContext(live, http.MethodPost, p.d.url, bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, &trouble{"unreachable", err.Error()}
	}
	for k, v := range p.d.o.Header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Accept", "text/plain")
	if kind == transport.KindStream {
		req.Header.Set("Accept", "text/event-stream")
	}
	req.Header.Set("Accept-Encoding", "identity")
	sent := time.Now()
	resp, err := p.d.web.Do(req)
	inTime := late.Stop()
	if err != nil {
		cancel()
		switch {
		case spent(ctx):
			return nil, &trouble{}
		case !inTime:
			return nil, &trouble{
				"post-blackholed",
				fmt.Sprintf("no answer to a request of kind %s within %s", kind, took(wait)),
			}
		}
		return nil, p.d.brokenOff(ctx, err, time.Since(sent))
	}
	p.d.lookAtHeader(resp, sent)
	r := &reply{Response: resp, preamble: pre, sent: sent, cancel: cancel}
	if t := p.d.strange(r); t != nil {
		r.close()
		return nil, t
	}
	return r, nil
}

func (r *reply) close() {
	r.cancel()
	_ = r.Body.Close()
}

// post makes a POST, reads its answer and takes it.
func (p *probe) post(ctx context.Context, kind transport.Kind, wait time.Duration, batch []byte) (*packet, *trouble) {
	k, t := p.exchange(ctx, kind, wait, batch)
	if t == nil && !p.take(k) {
		return nil, &trouble{} // take has booked it
	}
	return k, t
}

// exchange makes a POST and reads its answer, header and body, within wait.
func (p *probe) exchange(ctx context.Context, kind transport.Kind, wait time.Duration, batch []byte) (
	*packet, *trouble,
) {
	began := time.Now()
	r, t := p.send(ctx, kind, wait, batch)
	if t != nil {
		return nil, t
	}
	defer r.close()
	late := time.AfterFunc(max(wait-time.Since(began), time.Millisecond), r.cancel)
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if !late.Stop() {
		return nil, &trouble{
			"reply-truncated",
			fmt.Sprintf("of the answer to a request of kind %s %d bytes came within %s, and not its end", kind,
				len(body), took(wait)),
		}
	}
	if spent(ctx) {
		return nil, &trouble{}
	}
	k, t := decode(body, r.preamble, err)
	if t == nil {
		p.d.lookAtCaching(r.Header)
	}
	return k, t
}

// decode takes a body, or the data of a stream's first event, for what it is.
func decode(body []byte, want transport.Preamble, readErr error) (*packet, *trouble) {
	shown := quote(body)
	pre, lines, err := transport.DecodeBody(bytes.Clone(body))
	switch {
	case errors.Is(err, transport.ErrTruncated) ||
		err != nil && readErr != nil && len(body) > 0 && strings.HasPrefix(string(body), "holdfast/1 "):
		return nil, &trouble{
			"reply-truncated",
			fmt.Sprintf("%d bytes of an answer came, without its end line", len(body)),
		}
	case err != nil && len(body) == 0:
		return nil, &trouble{"reply-truncated", "an answer with status 200 and an empty body"}
	case err != nil && looksLikePage(body):
		return nil, &trouble{"captive-portal", "status 200, and a web page in place of the answer: " + shown}
	case err != nil && bytes.Contains(body, []byte("holdfast/1 ")):
		return nil, &trouble{"reply-altered", "the answer does not begin as it should: " + shown}
	case err != nil:
		return nil, &trouble{"not-holdfast", "status 200, and the answer begins: " + shown}
	case pre != want:
		return nil, &trouble{
			"reply-reused",
			fmt.Sprintf("asked for %s, got the answer to another request (of kind %s)", want.Kind, pre.Kind),
		}
	}
	k, err := parse(lines)
	if err != nil {
		return nil, &trouble{"reply-altered", "the answer cannot be read: " + shown}
	}
	return k, nil
}

func looksLikePage(body []byte) bool {
	head := strings.ToLower(string(body[:min(len(body), 1024)]))
	return strings.Contains(head, "<html") || strings.Contains(head, "<!doctype html")
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// quote shows the beginning of what a stranger sent: of a page its title.
func quote(body []byte) string {
	if m := title.FindSubmatch(body); m != nil {
		return fmt.Sprintf("page with the title “%s”", clean(string(m[1]), 80))
	}
	return fmt.Sprintf("“%s”", clean(string(body[:min(len(body), 400)]), 80))
}

// strange judges an answer by its header: nil is one that may be ours.
func (d *diagnosis) strange(r *reply) *trouble {
	if r.StatusCode == http.StatusOK {
		if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
			d.find("transformed",
				fmt.Sprintf("Content-Encoding: %s, though the request said Accept-Encoding: identity", clean(c, 20)))
			return &trouble{"reply-altered", "the answer is compressed: Content-Encoding: " + clean(c, 20)}
		}
		return nil
	}
	late := time.AfterFunc(time.Second, r.cancel)
	defer late.Stop()
	body, _ := io.ReadAll(io.LimitReader(r.Body, 4096))
	evidence := describe(r.Response, body)
	switch s := r.StatusCode; {
	case s == http.StatusProxyAuthRequired:
		return &trouble{"proxy-auth", evidence}
	case s == http.StatusNetworkAuthenticationRequired:
		return &trouble{"captive-portal", evidence}
	case 300 <= s && s < 400 && d.elsewhere(r.Header.Get("Location")):
		return &trouble{"captive-portal", evidence}
	case 300 <= s && s < 400:
		return &trouble{"redirected", evidence}
	case s == http.StatusNotFound && !ours(body), s == http.StatusMethodNotAllowed && !ours(body),
		s == http.StatusNotImplemented:
		return &trouble{"not-holdfast", evidence}
	case s == http.StatusRequestEntityTooLarge:
		return &trouble{"size-cap", evidence}
	}
	return &trouble{"post-refused", evidence}
}

// ours tells the server's own words from a proxy's.
func ours(body []byte) bool { return bytes.HasPrefix(body, []byte("holdfast: ")) }

// elsewhere tells whether a redirect leads to another host.
func (d *diagnosis) elsewhere(location string) bool {
	here, err := url.Parse(d.url)
	there, err2 := url.Parse(location)
	return err == nil && err2 == nil && there.Host != "" && there.Hostname() != here.Hostname()
}

// describe puts an answer in a line: what can be told to anybody, so no cookie and no query.
func describe(r *http.Response, body []byte) string {
	parts := []string{strings.TrimSpace(fmt.Sprintf("status %d %s", r.StatusCode, http.StatusText(r.StatusCode)))}
	for _, name := range []string{"Server", "Via", "X-Cache", "Proxy-Authenticate", "Retry-After"} {
		if v := r.Header.Get(name); v != "" {
			parts = append(parts, name+": "+clean(v, 60))
		}
	}
	if u, err := url.Parse(r.Header.Get("Location")); err == nil && r.Header.Get("Location") != "" {
		u.RawQuery, u.Fragment, u.User = "", "", nil
		parts = append(parts, "Location: "+clean(u.String(), 80))
	}
	if len(bytes.TrimSpace(body)) > 0 && r.StatusCode/100 != 3 { // a redirect's repeats the address, query and all
		parts = append(parts, quote(body))
	}
	return strings.Join(parts, ", ")
}

// brokenOff judges a request that had no answer at all.
func (d *diagnosis) brokenOff(ctx context.Context, err error, after time.Duration) *trouble {
	var (
		op        *net.OpError
		dns       *net.DNSError
		unknown   x509.UnknownAuthorityError
		wrong     x509.HostnameError
		invalid   x509.CertificateInvalidError
		certs     *tls.CertificateVerificationError
		proxyWord = proxyRefusal(err)
	)
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err // without the URL
	}
	switch {
	case proxyWord != "" && strings.Contains(proxyWord, "Proxy Auth"):
		return &trouble{"proxy-auth", "the proxy answered CONNECT: " + proxyWord}
	case proxyWord != "":
		return &trouble{"proxy-refuses", "the proxy answered CONNECT: " + proxyWord}
	case errors.As(err, &certs), errors.As(err, &unknown), errors.As(err, &wrong), errors.As(err, &invalid):
		return &trouble{"tls-untrusted", d.untrusted(ctx, err)}
	case errors.As(err, &dns):
		return &trouble{"unreachable", "the name has no address: " + dns.Err}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return &trouble{"proxy-refuses", "the proxy cannot be reached: " + op.Err.Error()}
	case errors.As(err, &op) && op.Op == "dial":
		return &trouble{"unreachable", op.Err.Error()}
	}
	return &trouble{"post-cut", fmt.Sprintf("%s after %s", err, took(after))}
}

// proxyRefusal is the status text of a proxy that did not let CONNECT pass, as net/http and gorilla
// tell it: the bare words.
func proxyRefusal(err error) string {
	for _, code := range []int{400, 401, 403, 404, 405, 407, 500, 501, 502, 503, 504} {
		if text := http.StatusText(code); strings.HasSuffix(err.Error(), text) && errorIsBare(err, text) {
			return text
		}
	}
	return ""
}

// errorIsBare tells whether the innermost error has no more words than these.
func errorIsBare(err error, text string) bool {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error() == text
		}
		err = inner
	}
}
