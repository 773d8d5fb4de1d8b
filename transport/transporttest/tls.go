package transporttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// NewTLSServer is like NewServer, over TLS and with HTTP/2 for those who offer it. ClientTLS is what
// clients need.
func NewTLSServer(h http.Handler) *Server {
	s := newServer(h)
	s.URL = "https://holdfast.test/holdfast"
	s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate()}}
	go func() { _ = s.http.ServeTLS(s.ln, "", "") }()
	return s
}

// ClientTLS trusts the servers of NewTLSServer.
func ClientTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: roots}
}

// certificate is for the host of all servers, and valid whatever time a bubble believes it to be.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"holdfast.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})
