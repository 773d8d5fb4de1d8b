// Package network is the deployment test. It finds out whether a Holdfast endpoint can be reached
// in the way that each transport needs, through the proxy, CDN or balancer in front of it, and
// which line of its configuration would repair a fault. It does not use our client.
package network

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// Finding is what one probe has seen.
type Finding struct {
	Probe string `json:"probe"` // poll, body, hold, websocket, stream, cache
	Fit   bool   `json:"fit"`
	Saw   string `json:"saw"`
	Fix   []Fix  `json:"fix,omitempty"` // for a common cause
}

// Fix is the line of configuration that would repair it.
type Fix struct {
	Product string `json:"product"`
	Line    string `json:"line"`
}

// Prober probes one endpoint. Only URL must be set.
type Prober struct {
	URL *url.URL
	// Hold is how long a poll waits. Default 22 s.
	Hold time.Duration

	client *http.Client
	key    string
	run    string
}

// Run probes everything, one after another, and returns what it found. An error says that there is
// no endpoint to test.
func (p *Prober) Run(ctx context.Context, report func(Finding)) ([]Finding, error) {
	if p.Hold == 0 {
		p.Hold = 22 * time.Second
	}
	p.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext},
	}
	defer p.client.CloseIdleConnections()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	p.key = base64.RawURLEncoding.EncodeToString(key)
	var all []Finding
	for _, probe := range []func(context.Context) Finding{p.poll, p.body, p.stream, p.websocket, p.hold} {
		f := probe(ctx)
		all = append(all, f)
		report(f)
		if f.Probe == "poll" && !f.Fit && p.run == "" {
			return all, errors.New("nothing at this URL answers the protocol; the other probes need that")
		}
	}
	return all, nil
}

func nonce() string {
	b := make([]byte, 15)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// post sends a body and reads the answer. Its error says in plain words what is wrong.
func (p *Prober) post(ctx context.Context, kind, batch string) (*wire.Batch, http.Header, error) {
	n := nonce()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL.String(),
		strings.NewReader(wire.WrapBody(kind, n, batch)))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "text/plain")
	res, err := p.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 2<<20))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, res.Header, statusError(res.StatusCode)
	case err != nil:
		return nil, res.Header, fmt.Errorf("the answer broke off: %w", err)
	}
	b, err := wire.ParseBody(raw)
	if err != nil {
		return nil, res.Header, fmt.Errorf("the answer is not the protocol's: %w", err)
	}
	if b.Nonce != n {
		return nil, res.Header, errStale
	}
	return b.Batch, res.Header, nil
}

type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("status %d %s", int(e), http.StatusText(int(e)))
}

var errStale = errors.New("the answer belongs to another request: something caches or merges POSTs")

func (p *Prober) open(att int, u string) string {
	run := ""
	if p.run != "" {
		run = `"run":"` + p.run + `",`
	}
	return fmt.Sprintf("@1 0\n!open {\"v\":[1],\"key\":\"%s\",%s\"att\":%d,%s\"recv\":0,\"lim\":{}}\n", p.key, run, att,
		u)
}

func (p *Prober) address() string { return `"key":"` + p.key + `","run":"` + p.run + `","att":1` }

// poll opens a session and sends two requests that are answered at once. A cache would give the
// first answer again.
func (p *Prober) poll(ctx context.Context) Finding {
	f := Finding{Probe: "poll"}
	b, header, err := p.post(ctx, "open", p.open(1, `"u":1,`))
	if err == nil {
		o := b.Find("!opened")
		if o == nil {
			f.Saw = "the server answers an open by " + b.String()
			return f
		}
		p.run = o.Text("run")
		for range 2 {
			if _, _, err = p.post(ctx, "up", "@1 0\n!up {"+p.address()+"}\n"); err != nil {
				break
			}
		}
	}
	if err != nil {
		f.Saw, f.Fix = "a POST: "+err.Error(), fixOf(err)
		return f
	}
	f.Fit, f.Saw = true, "POSTs are answered, each by its own answer"
	if !strings.Contains(header.Get("Cache-Control"), "no-store") {
		f.Fit, f.Saw, f.Fix = false, "Cache-Control: no-store is taken out of the answers", []Fix{
			{"nginx", "proxy_ignore_headers and proxy_hide_header must not name Cache-Control; proxy_cache off;"},
			{"Caddy", "no header -Cache-Control"},
		}
	}
	return f
}

// body sends as much as a batch may hold.
func (p *Prober) body(ctx context.Context) Finding {
	line := "?grease-body {\"x\":\"" + strings.Repeat("x", 7000) + "\"}\n"
	batch := "@1 0\n!up {" + p.address() + "}\n" + strings.Repeat(line, 8)
	if _, _, err := p.post(ctx, "up", batch); err != nil {
		return Finding{Probe: "body", Saw: fmt.Sprintf("a body of %d bytes: %v", len(batch), err), Fix: []Fix{
			{"nginx", "client_max_body_size 1m;"},
			{"HAProxy", "no http-request deny by req.body_size below 65536"},
			{"Caddy", "request_body { max_size 1MB }"},
		}}
	}
	return Finding{Probe: "body", Fit: true, Saw: fmt.Sprintf("a body of %d bytes passes", len(batch))}
}

// hold lets a poll wait.
func (p *Prober) hold(ctx context.Context) Finding {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.Hold+10*time.Second)
	defer cancel()
	_, _, err := p.post(ctx, "poll",
		fmt.Sprintf("@1 0\n!poll {%s,\"p\":1,\"recv\":0,\"hold\":%d}\n", p.address(), p.Hold.Milliseconds()))
	took := time.Since(start).Round(100 * time.Millisecond)
	if err != nil {
		seconds := int(p.Hold.Seconds()) + 10
		return Finding{Probe: "hold", Saw: fmt.Sprintf("a poll that waits is cut after %s: %v", took, err), Fix: []Fix{
			{"nginx", fmt.Sprintf("proxy_read_timeout %ds;", max(seconds, 60))},
			{"HAProxy", fmt.Sprintf("timeout server %ds", max(seconds, 60))},
			{"Caddy", "transport http { response_header_timeout 60s }"},
		}}
	}
	return Finding{Probe: "hold", Fit: true, Saw: fmt.Sprintf("a poll may wait: answered after %s", took)}
}

func fixOf(err error) []Fix {
	var status statusError
	switch {
	case errors.Is(err, errStale):
		return []Fix{
			{"nginx", "proxy_cache off;"},
			{"HAProxy", "no http-request cache-use for this path"},
			{"Caddy", "no cache handler for this path"},
		}
	case errors.As(err, &status) && (status == http.StatusBadGateway || status == http.StatusServiceUnavailable):
		return []Fix{
			{"nginx", "proxy_pass http://ADDRESS-OF-THE-SERVER;"},
			{"HAProxy", "server node ADDRESS:PORT"},
			{"Caddy", "reverse_proxy ADDRESS:PORT"},
		}
	case errors.As(err, &status) && status == http.StatusForbidden:
		return []Fix{
			{"nginx", "proxy_set_header Host $http_host;"},
			{"HAProxy", "no http-request set-header Host"},
			{"Caddy", "header_up Host {host}"},
		}
	}
	return nil
}
