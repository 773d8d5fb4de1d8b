package jwtauth

import (
	"crypto/ed25519"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func FuzzAuthenticate(f *testing.F) {
	public, private, _ := ed25519.GenerateKey(nil)
	a, err := New(Options{Keys: []Key{{Algorithm: EdDSA, Material: public}}, AnyAudience: true, AnyIssuer: true})
	if err != nil {
		f.Fatal(err)
	}
	_, untrusted, _ := ed25519.GenerateKey(nil)
	for _, key := range []ed25519.PrivateKey{untrusted, private} {
		s, _ := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "a"}).SignedString(key)
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		// The only valid signature is on a token without exp, so no input made from these may pass.
		if principal, _, _, err := a.Authenticate(t.Context(), token); err == nil {
			t.Errorf("accepted %q as %q", token, principal)
		}
	})
}
