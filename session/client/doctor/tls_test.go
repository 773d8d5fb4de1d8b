package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session/client/doctor"
	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

// certificate is a self-signed certificate for holdfast.test with this issuer. sct adds the
// extension that shows it is in a public log.
func certificate(t *testing.T, name string, sct bool) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"holdfast.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
	}
	if sct {
		template.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: []byte{4, 0}}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// pipes is a listener in memory. Dial makes its connections.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := transporttest.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestTLS(t *testing.T) {
	for name, c := range map[string]struct {
		issuer  string
		sct     bool
		trusted bool
		verdict doctor.Verdict
		states  string
		want    map[string]string
	}{
		"public": {"Public Authority", true, true, doctor.Good, "fits fits fits", nil},
		"private": {
			"Our House", false, true, doctor.Good, "fits fits fits",
			map[string]string{"tls-inspection": "issued by “Our House”, is in no public log"},
		},
		"inspected": {
			"Zscaler Intermediate Root CA", false, true, doctor.Good, "fits fits fits",
			map[string]string{"tls-inspection": "(zscaler)"},
		},
		"not trusted": {
			"Our House", false, false, doctor.Blocked, "fails fails fails",
			map[string]string{"tls-untrusted": "issued by “Our House”"},
		},
		"inspector unknown": {
			"Fortinet CA", false, false, doctor.Blocked, "fails fails fails",
			map[string]string{"tls-untrusted": "issued by “Fortinet CA”", "tls-inspection": "(fortinet)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert, roots := certificate(t, c.issuer, c.sct)
				if !c.trusted {
					roots = x509.NewCertPool()
				}
				s, err := server.New(server.Config{Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				web := &http.Server{
					Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
					TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
				}
				go func() { _ = web.ServeTLS(l, "", "") }()
				r, err := doctor.Diagnose(t.Context(), "https://holdfast.test/holdfast", &doctor.Options{
					DialContext: l.Dial, TLSClientConfig: &tls.Config{RootCAs: roots},
				})
				if err != nil {
					t.Fatal(err)
				}
				check(t, r, c.verdict, c.states, c.want)
				_ = s.Shutdown(context.Background())
				_ = web.Close()
			})
		})
	}
}
