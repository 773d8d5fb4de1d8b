package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
	"github.com/holdfast-rt/holdfast/transport"
)

// frame is what surrounds the documented lines of a proxy in a test.
type frame struct {
	file string // below docs/proxies
	args func(config string) []string
	// whole makes a configuration that listens at addr. cert is the file of a certificate and its
	// key, or "". The lines are already those of the test.
	whole func(dir, lines, addr, cert string) string
	// below moves the lines under /app.
	below func(lines string) string
}

var frames = map[string]frame{
	"nginx": {
		file: "nginx.conf",
		args: func(config string) []string { return []string{"-c", config} },
		whole: func(dir, lines, addr, cert string) string {
			listen := "listen " + addr + ";"
			if cert != "" {
				listen = fmt.Sprintf("listen %s ssl http2; ssl_certificate %s; ssl_certificate_key %s;",
					addr, cert, cert)
			}
			temp := ""
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temp += fmt.Sprintf("%s_temp_path %s/%s; ", kind, dir, kind)
			}
			return fmt.Sprintf("daemon off; pid %s/pid; error_log %s/error; events {} "+
				"http { access_log off; %s server { %s %s } }", dir, dir, temp, listen, lines)
		},
		below: func(lines string) string {
			lines = strings.ReplaceAll(lines, "location /holdfast", "location /app/holdfast")
			return strings.ReplaceAll(lines, "127.0.0.1:8080;", "127.0.0.1:8080/holdfast;")
		},
	},
	"haproxy": {
		file: "haproxy.cfg",
		args: func(config string) []string { return []string{"-db", "-f", config} },
		whole: func(_, lines, addr, cert string) string {
			bind := addr
			if cert != "" {
				bind += " ssl crt " + cert + " alpn h2,http/1.1"
			}
			return fmt.Sprintf("frontend web\n    mode http\n    timeout client 60s\n    bind %s\n"+
				"    default_backend holdfast\n%s", bind, lines)
		},
		below: func(lines string) string {
			return strings.ReplaceAll(lines, "mode http\n", "mode http\n    http-request replace-path /app(/.*) \\1\n")
		},
	},
	"caddy": {
		file: "Caddyfile",
		args: func(config string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} },
		whole: func(_, lines, addr, cert string) string {
			port := addr[strings.LastIndex(addr, ":"):]
			site, secure := "http://"+port, ""
			if cert != "" {
				site, secure = "https://"+port, fmt.Sprintf("tls %s %s\n", cert, cert)
			}
			return fmt.Sprintf("{\n admin off\n auto_https disable_redirects\n}\n%s {\n%s%s}\n", site, secure, lines)
		},
		below: func(lines string) string { return "handle_path /app/* {\n" + lines + "}\n" },
	},
}

// TestProxies: the lines that docs/server.md has for a proxy carry all transports, on a port of
// their own, under a path, and over TLS with HTTP/2, to a server on loopback that trusts nobody.
func TestProxies(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range frames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := os.ReadFile("../../../docs/proxies/" + f.file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(doc), "\n"+string(lines)+"```") {
				t.Errorf("docs/server.md has not the lines of %s", f.file)
			}
			needProxy(t, name)
			p := start(t, "-addr", "127.0.0.1:0")
			backend := strings.TrimPrefix(p.stdout.find(t, `Endpoint:\s+(\S+)`), "http://")
			backend = strings.TrimSuffix(backend, "/holdfast")
			for _, how := range []string{"http", "below", "https"} {
				t.Run(how, func(t *testing.T) {
					text, path := string(lines), "/holdfast"
					if how == "below" {
						text, path = f.below(text), "/app/holdfast"
					}
					text = strings.ReplaceAll(text, "127.0.0.1:8080", backend)
					dir, addr, cert := t.TempDir(), freeAddr(t), ""
					if how == "https" {
						cert = certificate(t, dir)
					}
					runProxy(t, name, dir, f.whole(dir, text, addr, cert), addr, f.args)
					scheme := "http"
					if cert != "" {
						scheme = "https"
					}
					talkThrough(t, scheme, addr, path)
				})
			}
			if text := p.stderr.text(); text != "" {
				t.Errorf("the log: %s", text)
			}
			p.stop()
			<-p.code
		})
	}
}

// needProxy skips a test whose proxy could not be installed.
func needProxy(t *testing.T, name string) {
	t.Helper()
	skip := os.Getenv("CI") != "true" && slices.Contains(strings.Split(os.Getenv("HOLDFAST_SKIP"), ","), name)
	if skip {
		t.Skip(name + " is not on this machine")
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificate writes a self-signed one and its key into one file.
func certificate(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"box.lan"}, NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	path := filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(path, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runProxy starts a proxy and waits until it listens; it ends with the test.
func runProxy(t *testing.T, name, dir, text, addr string, args func(string) []string) {
	t.Helper()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out output
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, name, args(config)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { cancel(); <-ended })
	for range 200 {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", name, out.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen: %s", name, out.text())
}

// talkThrough holds a session over each transport, as a page of the proxy's own site would.
func talkThrough(t *testing.T, scheme, addr, path string) {
	t.Helper()
	host := "box.lan" + addr[strings.LastIndex(addr, ":"):]
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	insecure := &tls.Config{InsecureSkipVerify: true}
	requests := &http.Transport{DialContext: dial, TLSClientConfig: insecure, ForceAttemptHTTP2: true}
	defer requests.CloseIdleConnections()
	seen := &protocols{next: requests}
	for _, name := range []string{transport.WebSocket, transport.SSE, transport.LongPoll} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		s, err := client.Dial(ctx, scheme+"://"+host+path, &client.Options{
			Transports: []string{name}, Header: http.Header{"Origin": {scheme + "://" + host}},
			DialContext: dial, TLSClientConfig: insecure, HTTPClient: &http.Client{Transport: seen},
		})
		if err == nil {
			_, err = s.Send(ctx, session.Text("hello"))
		}
		var m session.Message
		if err == nil {
			m, err = s.Receive(ctx)
		}
		if err != nil || string(m.Data) != "hello" {
			t.Errorf("%s: %q, %v", name, m.Data, err)
		}
		if s != nil {
			_ = s.Close(ctx)
		}
		cancel()
	}
	if got, want := seen.major.Load(), map[string]int32{"http": 1, "https": 2}[scheme]; got != want {
		t.Errorf("requests went over HTTP/%d, want %d", got, want)
	}
}

// protocols notes which HTTP was spoken.
type protocols struct {
	next  http.RoundTripper
	major atomic.Int32
}

func (p *protocols) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := p.next.RoundTrip(r)
	if err == nil {
		p.major.Store(int32(a.ProtoMajor))
	}
	return a, err
}
