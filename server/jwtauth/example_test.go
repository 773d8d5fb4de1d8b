package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-rt/holdfast/server/jwtauth"
)

// A server makes one Authenticator and calls it from its Authenticate hook with the token that the
// client sent as auth.
func Example() {
	secret := []byte("of 32 bytes or more, from a file, not from source") // shared with the identity provider
	auth, err := jwtauth.New(jwtauth.Options{
		Keys:     []jwtauth.Key{{ID: "2026", Algorithm: jwtauth.HS256, Material: secret}},
		Audience: []string{"chat"},
		Issuer:   "https://id.example",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	issue := func(audience string) string {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": "alice", "aud": audience, "iss": "https://id.example", "exp": time.Now().Add(time.Hour).Unix(),
		})
		token.Header["kid"] = "2026"
		signed, _ := token.SignedString(secret)
		return signed
	}

	principal, _, _, err := auth.Authenticate(context.Background(), issue("chat"))
	fmt.Println(principal, err)

	_, _, _, err = auth.Authenticate(context.Background(), issue("shop"))
	fmt.Println(errors.Is(err, jwtauth.ErrRefused), err)
	// Output:
	// alice <nil>
	// true jwtauth: token refused: token has invalid audience
}
