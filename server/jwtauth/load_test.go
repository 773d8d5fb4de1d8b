package jwtauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func block(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k keyring) jwks(t *testing.T, change func(keys []map[string]any)) []byte {
	t.Helper()
	keys := []map[string]any{
		{"kty": "oct", "alg": "HS256", "kid": "h", "k": b64(k.secret)},
		{"kty": "RSA", "use": "sig", "kid": "r", "n": b64(k.rsa.N.Bytes()), "e": "AQAB"},
		{
			"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "key_ops": []string{"verify"}, "kid": "e",
			"x": b64(k.ed.Public().(ed25519.PublicKey)),
		},
	}
	if change != nil {
		change(keys)
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParsedKeysVerify(t *testing.T) {
	k := newKeyring(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, certErr := x509.CreateCertificate(rand.Reader, template, template, &k.rsa.PublicKey, k.rsa)
	edDER, edErr := x509.MarshalPKIXPublicKey(k.ed.Public())
	edPEM := block("PUBLIC KEY", edDER, edErr)
	tests := []struct {
		name string
		data []byte
		can  string
	}{
		{"JWK Set", k.jwks(t, nil), "h r e"},
		{"JWK Set after white space", append([]byte("\n\t "), k.jwks(t, nil)...), "h r e"},
		{"JWK Set with keys that are not ours", k.jwks(t, func(keys []map[string]any) {
			keys[0]["alg"] = "HS512"
			keys[1]["use"] = "enc"
		}), "e"},
		{
			"JWK Set, a secret without algorithm", k.jwks(t, func(keys []map[string]any) { delete(keys[0], "alg") }),
			"r e",
		},
		{
			"JWK Set, other operations",
			k.jwks(t, func(keys []map[string]any) { keys[2]["key_ops"] = []string{"sign"} }),
			"h r",
		},
		{"JWK Set, RSA for PS256", k.jwks(t, func(keys []map[string]any) { keys[1]["alg"] = "PS256" }), "h e"},
		{"JWK Set, another curve", k.jwks(t, func(keys []map[string]any) { keys[2]["crv"] = "Ed448" }), "h r"},
		{"PEM, RSA", k.rsaPEM, "r"},
		{"PEM, RSA in PKCS #1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey), nil), "r"},
		{"PEM, Ed25519", edPEM, "e"},
		{"PEM, certificate", block("CERTIFICATE", certificate, certErr), "r"},
		{
			"PEM, two with text between", append(append(append([]byte("notes\n"), k.rsaPEM...), "more\n"...), edPEM...),
			"r e",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := ParseKeys(tt.data)
			if err != nil {
				t.Fatal(err)
			}
			o := k.options()
			o.Keys = keys
			a := mustNew(t, o)
			var can []string
			for id, token := range map[string]string{
				"h": sign(t, jwt.SigningMethodHS256, k.secret, kid("h"), good()),
				"r": sign(t, jwt.SigningMethodRS256, k.rsa, kid("r"), good()),
				"e": sign(t, jwt.SigningMethodEdDSA, k.ed, kid("e"), good()),
			} {
				_, _, _, err := a.Authenticate(t.Context(), token)
				if want := strings.Contains(tt.can, id); (err == nil) != want {
					t.Errorf("token of %s: %v", id, err)
				} else if want {
					can = append(can, id)
				}
			}
			if len(can) != len(keys) {
				t.Errorf("%d keys serve %v", len(keys), can)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	k := newKeyring(t)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ecDER, ecErr := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	pkcs8, pkcs8Err := x509.MarshalPKCS8PrivateKey(k.ed)
	set := func(i int, name string, value any) []byte {
		return k.jwks(t, func(keys []map[string]any) { keys[i][name] = value })
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "no public key"},
		{"text", []byte("hello"), "no public key"},
		{"PEM, private RSA", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa), nil), "private key"},
		{"PEM, private", block("PRIVATE KEY", pkcs8, pkcs8Err), "private key"},
		{"PEM, elliptic curve", block("PUBLIC KEY", ecDER, ecErr), "neither RSA nor Ed25519"},
		{"PEM, broken", block("PUBLIC KEY", []byte{1, 2}, nil), "PUBLIC KEY"},
		{"PEM, broken certificate", block("CERTIFICATE", []byte{1, 2}, nil), "CERTIFICATE"},
		{"PEM, other", block("DH PARAMETERS", []byte{1}, nil), "not a public key"},
		{"PEM, two of a kind", append(append([]byte(nil), k.rsaPEM...), k.rsaPEM...), "twice"},
		{"PEM, huge", make([]byte, maxFile+1), "1 MiB"},
		{"JWK Set, huge", append([]byte("{"), make([]byte, maxFile)...), "1 MiB"},
		{"JWK Set, broken", []byte("{"), "JWK Set"},
		{"JWK Set, empty", []byte(`{"keys":[]}`), "no key"},
		{"JWK Set, one key bare", []byte(`{"kty":"oct","k":"xx"}`), "no key"},
		{"JWK Set, short secret", set(0, "k", "c2hvcnQ"), "5 bytes"},
		{"JWK Set, no secret", set(0, "k", ""), "k is missing"},
		{"JWK Set, secret garbled", set(0, "k", "!!!hunter2!!!"), `key 1 (kid "h"): k is`},
		{"JWK Set, no modulus", set(1, "n", ""), "n is missing"},
		{"JWK Set, short modulus", set(1, "n", "AQAB"), "17 bits"},
		{"JWK Set, no exponent", set(1, "e", ""), "e is missing"},
		{"JWK Set, exponent too large", set(1, "e", "__________8"), "e is too large"},
		{"JWK Set, even exponent", set(1, "e", "Ag"), "exponent 2"},
		{"JWK Set, private RSA", set(1, "d", "AQAB"), "private key"},
		{"JWK Set, private Ed25519", set(2, "d", "AQAB"), "private key"},
		{"JWK Set, short Ed25519", set(2, "x", "AQAB"), "3 bytes"},
		{"JWK Set, no Ed25519", set(2, "x", ""), "x is missing"},
		{"JWK Set, two of a name", k.jwks(t, func(keys []map[string]any) { keys[2] = keys[1] }), "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := ParseKeys(tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, %v; want ...%s...", keys, err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

func TestKeysPrintNoSecret(t *testing.T) {
	k := newKeyring(t)
	keys := k.keys()
	asJSON, _ := json.Marshal(keys)
	for _, s := range []string{
		fmt.Sprint(keys), fmt.Sprintf("%+v", keys), fmt.Sprintf("%#v", keys), fmt.Sprintf("%s %v", keys[0], &keys[0]),
		fmt.Sprintf("%+v", k.options()), string(asJSON),
	} {
		if strings.Contains(s, "ssss") || strings.Contains(s, "115 115") || strings.Contains(s, "0x73") ||
			strings.Contains(s, "c3Nzc3Nz") {
			t.Errorf("%s", s)
		}
		if !strings.Contains(s, "h") {
			t.Errorf("%s does not name the key", s)
		}
	}
}
