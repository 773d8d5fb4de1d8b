package jwtauth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// keyring has one private key of each kind, and one that is not trusted.
type keyring struct {
	secret  []byte
	rsa     *rsa.PrivateKey
	ed      ed25519.PrivateKey
	rsaPEM  []byte
	otherED ed25519.PrivateKey
}

func newKeyring(t *testing.T) keyring {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&r.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, _ := ed25519.GenerateKey(nil)
	_, other, _ := ed25519.GenerateKey(nil)
	return keyring{
		secret: []byte(strings.Repeat("s", 32)), rsa: r, ed: ed, otherED: other,
		rsaPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	}
}

// keys are the three, each with its ID.
func (k keyring) keys() []Key {
	return []Key{
		{ID: "h", Algorithm: HS256, Material: k.secret},
		{ID: "r", Algorithm: RS256, Material: &k.rsa.PublicKey},
		{ID: "e", Algorithm: EdDSA, Material: k.ed.Public()},
	}
}

func (k keyring) options() Options {
	return Options{Keys: k.keys(), Audience: []string{"chat", "chat-2"}, Issuer: "https://id.example"}
}

func good() jwt.MapClaims {
	return jwt.MapClaims{
		"sub": "alice", "aud": "chat", "iss": "https://id.example", "exp": time.Now().Add(time.Hour).Unix(),
	}
}

// with returns good with some claims changed; nil removes a claim.
func with(changes jwt.MapClaims) jwt.MapClaims {
	c := good()
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, claims jwt.Claims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func kid(id any) map[string]any { return map[string]any{"kid": id} }

func mustNew(t *testing.T, o Options) *Authenticator {
	t.Helper()
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func segment(v any) string {
	b, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b)
}
