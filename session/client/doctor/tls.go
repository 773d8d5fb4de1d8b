package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// inspectors are words in the names of issuers of TLS inspection: appliances, software on the
// device, developer tools.
var inspectors = []string{
	"zscaler", "fortinet", "fortigate", "palo alto", "blue coat", "bluecoat", "symantec web",
	"netskope", "umbrella", "cisco secure", "sophos", "kaspersky", "eset ssl", "avast",
	"avg technologies", "bitdefender", "mcafee", "skyhigh", "trellix", "forcepoint", "websense",
	"barracuda", "check point", "watchguard", "sonicwall", "untangle", "menlo", "iboss",
	"cato networks", "lightspeed", "contentkeeper", "smoothwall", "securly", "goguardian",
	"dr.web", "adguard", "cloudflare for teams", "gateway ca", "mitmproxy", "charles proxy",
	"fiddler", "portswigger", "squid", "netbox blue", "inspection", "ssl proxy", "web gateway",
	"webfilter", "web filter",
}

// signedTimestamps is the extension by which a public authority shows that a certificate is in
// public logs.
var signedTimestamps = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// checkTLS records how the connection is encrypted, and signs that the other end is not the server.
func (d *diagnosis) checkTLS(s *tls.ConnectionState) {
	d.fact("TLS", tls.VersionName(s.Version)+", ALPN "+or(s.NegotiatedProtocol, "none"))
	if s.Version < tls.VersionTLS12 {
		d.find("tls-inspection", "the connection uses "+tls.VersionName(s.Version)+", which servers of today do not")
	}
	if len(s.PeerCertificates) == 0 {
		return
	}
	leaf := s.PeerCertificates[0]
	d.fact("certificate issuer", issuer(leaf))
	for _, c := range s.PeerCertificates {
		if word := inspector(c); word != "" {
			d.find("tls-inspection",
				fmt.Sprintf("the certificate is issued by “%s”: a name (%s) of what inspects", issuer(c), word))
			return
		}
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(signedTimestamps) {
			return
		}
	}
	if len(s.SignedCertificateTimestamps) == 0 && net.ParseIP(s.ServerName) == nil &&
		strings.Contains(s.ServerName, ".") {
		d.find("tls-inspection",
			fmt.Sprintf("the certificate, issued by “%s”, is in no public log, as a public authority's would be: "+
				"it comes from an inspecting proxy or from a private authority", issuer(leaf)))
	}
}

func inspector(c *x509.Certificate) string {
	name := strings.ToLower(c.Issuer.String())
	for _, word := range inspectors {
		if strings.Contains(name, word) {
			return word
		}
	}
	return ""
}

func issuer(c *x509.Certificate) string {
	return clean(or(strings.Join(c.Issuer.Organization, " ")+" "+c.Issuer.CommonName, "nobody"), 120)
}

// untrusted fetches the certificate that was not trusted, to show who issued it. It sends no data
// over that connection.
func (d *diagnosis) untrusted(ctx context.Context, why error) string {
	said := clean(why.Error(), 160)
	u, err := url.Parse(d.url)
	if err != nil || d.proxy != nil {
		return said
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	dial := d.o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	port := or(u.Port(), "443")
	raw, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return said
	}
	defer func() { _ = raw.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	// Only to read the certificate; no data is sent.
	conn := tls.Client(raw,
		&tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if conn.HandshakeContext(ctx) != nil || len(conn.ConnectionState().PeerCertificates) == 0 {
		return said
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	if word := inspector(leaf); word != "" {
		d.find("tls-inspection",
			fmt.Sprintf("the certificate is issued by “%s”: a name (%s) of what inspects", issuer(leaf), word))
	}
	return fmt.Sprintf("%s; it is issued by “%s”, valid %s to %s", said, issuer(leaf),
		leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
}

func or(s, other string) string {
	if s = strings.TrimSpace(s); s == "" {
		return other
	}
	return s
}
