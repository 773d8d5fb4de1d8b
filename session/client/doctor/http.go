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

// problem is what went wrong with a request; it becomes a finding. One without an id means that the
// time was over.
type problem struct{ id, evidence string }

// reply is an answer with status 200 whose header has been read.
type reply struct {
	*http.Response
	preamble transport.Preamble
	sent     time.Time
	cancel   context.CancelFunc
}

// send makes a POST and waits for the answer's header. ctx ends the reply too.
func (p *probe) send(ctx context.Context, kind transport.Kind, wait time.Duration, batch []byte) (*reply, *problem) {
	live, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(wait, cancel)
	pre := transport.Preamble{Kind: kind, Nonce: transport.NewNonce()}
	body := append(append(pre.AppendTo(nil), batch...), transport.End...)
	req, err := http.NewRequestWithContext(live, http.MethodPost, p.d.url, bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, &problem{"unreachable", err.Error()}
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
			return nil, &problem{}
		case !inTime:
			return nil, &problem{
				"post-blackholed",
				fmt.Sprintf("no answer to a request of kind %s within %s", kind, took(wait)),
			}
		}
		return nil, p.d.noAnswer(ctx, err, time.Since(sent))
	}
	p.d.checkHeader(resp, sent)
	r := &reply{Response: resp, preamble: pre, sent: sent, cancel: cancel}
	if t := p.d.checkAnswer(r); t != nil {
		r.close()
		return nil, t
	}
	return r, nil
}

func (r *reply) close() {
	r.cancel()
	_ = r.Body.Close()
}

// post makes a POST, reads its answer and processes it.
func (p *probe) post(ctx context.Context, kind transport.Kind, wait time.Duration, batch []byte) (*packet, *problem) {
	k, t := p.exchange(ctx, kind, wait, batch)
	if t == nil && !p.take(k) {
		return nil, &problem{} // take has recorded it
	}
	return k, t
}

// exchange makes a POST and reads its answer, header and body, within wait.
func (p *probe) exchange(ctx context.Context, kind transport.Kind, wait time.Duration, batch []byte) (
	*packet, *problem,
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
		return nil, &problem{
			"reply-truncated",
			fmt.Sprintf("of the answer to a request of kind %s %d bytes came within %s, and not its end", kind,
				len(body), took(wait)),
		}
	}
	if spent(ctx) {
		return nil, &problem{}
	}
	k, t := decode(body, r.preamble, err)
	if t == nil {
		p.d.checkCaching(r.Header)
	}
	return k, t
}

// decode parses a body, or the data of the first event of a stream, and finds out what it is.
func decode(body []byte, want transport.Preamble, readErr error) (*packet, *problem) {
	shown := quote(body)
	pre, lines, err := transport.DecodeBody(bytes.Clone(body))
	switch {
	case errors.Is(err, transport.ErrTruncated) ||
		err != nil && readErr != nil && len(body) > 0 && strings.HasPrefix(string(body), "holdfast/1 "):
		return nil, &problem{
			"reply-truncated",
			fmt.Sprintf("%d bytes of an answer came, without its end line", len(body)),
		}
	case err != nil && len(body) == 0:
		return nil, &problem{"reply-truncated", "an answer with status 200 and an empty body"}
	case err != nil && looksLikePage(body):
		return nil, &problem{"captive-portal", "status 200, and a web page in place of the answer: " + shown}
	case err != nil && bytes.Contains(body, []byte("holdfast/1 ")):
		return nil, &problem{"reply-altered", "the answer does not begin as it should: " + shown}
	case err != nil:
		return nil, &problem{"not-holdfast", "status 200, and the answer begins: " + shown}
	case pre != want:
		return nil, &problem{
			"reply-reused",
			fmt.Sprintf("asked for %s, got the answer to another request (of kind %s)", want.Kind, pre.Kind),
		}
	}
	k, err := parse(lines)
	if err != nil {
		return nil, &problem{"reply-altered", "the answer cannot be read: " + shown}
	}
	return k, nil
}

func looksLikePage(body []byte) bool {
	head := strings.ToLower(string(body[:min(len(body), 1024)]))
	return strings.Contains(head, "<html") || strings.Contains(head, "<!doctype html")
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// quote returns the start of an unknown body, or the title of a page.
func quote(body []byte) string {
	if m := title.FindSubmatch(body); m != nil {
		return fmt.Sprintf("page with the title “%s”", clean(string(m[1]), 80))
	}
	return fmt.Sprintf("“%s”", clean(string(body[:min(len(body), 400)]), 80))
}

// checkAnswer checks the header of an answer; nil means that it may be from our server.
func (d *diagnosis) checkAnswer(r *reply) *problem {
	if r.StatusCode == http.StatusOK {
		if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
			d.find("transformed",
				fmt.Sprintf("Content-Encoding: %s, though the request said Accept-Encoding: identity", clean(c, 20)))
			return &problem{"reply-altered", "the answer is compressed: Content-Encoding: " + clean(c, 20)}
		}
		return nil
	}
	late := time.AfterFunc(time.Second, r.cancel)
	defer late.Stop()
	body, _ := io.ReadAll(io.LimitReader(r.Body, 4096))
	evidence := describe(r.Response, body)
	switch s := r.StatusCode; {
	case s == http.StatusProxyAuthRequired:
		return &problem{"proxy-auth", evidence}
	case s == http.StatusNetworkAuthenticationRequired:
		return &problem{"captive-portal", evidence}
	case 300 <= s && s < 400 && d.otherHost(r.Header.Get("Location")):
		return &problem{"captive-portal", evidence}
	case 300 <= s && s < 400:
		return &problem{"redirected", evidence}
	case s == http.StatusNotFound && !ours(body), s == http.StatusMethodNotAllowed && !ours(body),
		s == http.StatusNotImplemented:
		return &problem{"not-holdfast", evidence}
	case s == http.StatusRequestEntityTooLarge:
		return &problem{"size-cap", evidence}
	}
	return &problem{"post-refused", evidence}
}

// ours reports whether a body is an error of our server and not of a proxy.
func ours(body []byte) bool { return bytes.HasPrefix(body, []byte("holdfast: ")) }

// otherHost reports whether a redirect leads to another host.
func (d *diagnosis) otherHost(location string) bool {
	here, err := url.Parse(d.url)
	there, err2 := url.Parse(location)
	return err == nil && err2 == nil && there.Host != "" && there.Hostname() != here.Hostname()
}

// describe returns an answer in one line, without cookies and query, so that anybody may read it.
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
	// the body of a redirect repeats the URL with its query
	if len(bytes.TrimSpace(body)) > 0 && r.StatusCode/100 != 3 {
		parts = append(parts, quote(body))
	}
	return strings.Join(parts, ", ")
}

// noAnswer finds out why a request had no answer at all.
func (d *diagnosis) noAnswer(ctx context.Context, err error, after time.Duration) *problem {
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
		return &problem{"proxy-auth", "the proxy answered CONNECT: " + proxyWord}
	case proxyWord != "":
		return &problem{"proxy-refuses", "the proxy answered CONNECT: " + proxyWord}
	case errors.As(err, &certs), errors.As(err, &unknown), errors.As(err, &wrong), errors.As(err, &invalid):
		return &problem{"tls-untrusted", d.untrusted(ctx, err)}
	case errors.As(err, &dns):
		return &problem{"unreachable", "the name has no address: " + dns.Err}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return &problem{"proxy-refuses", "the proxy cannot be reached: " + op.Err.Error()}
	case errors.As(err, &op) && op.Op == "dial":
		return &problem{"unreachable", op.Err.Error()}
	}
	return &problem{"post-cut", fmt.Sprintf("%s after %s", err, took(after))}
}

// proxyRefusal is the status text of a proxy that refused CONNECT: net/http and gorilla return only
// this text as the error.
func proxyRefusal(err error) string {
	for _, code := range []int{400, 401, 403, 404, 405, 407, 500, 501, 502, 503, 504} {
		if text := http.StatusText(code); strings.HasSuffix(err.Error(), text) && errorIsBare(err, text) {
			return text
		}
	}
	return ""
}

// errorIsBare reports whether the innermost error is exactly this text.
func errorIsBare(err error, text string) bool {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error() == text
		}
		err = inner
	}
}
