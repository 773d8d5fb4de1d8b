package jwtauth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
)

// Algorithm is a signature algorithm of RFC 7518 or RFC 8037.
type Algorithm string

// The algorithms. There is no none.
const (
	HS256 Algorithm = "HS256" // a shared secret of at least 32 bytes
	RS256 Algorithm = "RS256" // an RSA public key of at least 2048 bits
	EdDSA Algorithm = "EdDSA" // an Ed25519 public key
)

// The bounds of a key.
const (
	minSecret = 32   // bytes, RFC 7518 §3.2
	minRSA    = 2048 // bits, RFC 7518 §3.3
	maxRSA    = 8192 // bits; with a larger key one forged token costs too much
	maxKeys   = 100
)

// Key is a trusted key for one algorithm. It prints only its name.
type Key struct {
	// ID is the kid of tokens for this key; "" is allowed once per algorithm.
	ID        string
	Algorithm Algorithm
	// Material is []byte for [HS256], [*rsa.PublicKey] for [RS256], [ed25519.PublicKey] for
	// [EdDSA].
	Material any `json:"-"`
}

// String returns the name of the key, without its material.
func (k Key) String() string { return fmt.Sprintf("%s key %q", k.Algorithm, k.ID) }

// GoString is String, so that %#v does not print the secret either.
func (k Key) GoString() string { return k.String() }

func checkKeys(keys []Key) ([]Key, error) {
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("jwtauth: %d keys; set Keys to between 1 and %d", len(keys), maxKeys)
	}
	checked := make([]Key, 0, len(keys))
	for _, k := range keys {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("jwtauth: %v: %w", k, err)
		}
		for _, other := range checked {
			if other.ID == k.ID && other.Algorithm == k.Algorithm {
				return nil, fmt.Errorf("jwtauth: %v is there twice", k)
			}
		}
		checked = append(checked, k.clone())
	}
	return checked, nil
}

func (k Key) check() error {
	switch k.Algorithm {
	case HS256:
		secret, ok := k.Material.([]byte)
		switch {
		case !ok:
			return fmt.Errorf("material is %T, not []byte", k.Material)
		case len(secret) < minSecret:
			return fmt.Errorf("the secret has %d bytes, fewer than %d", len(secret), minSecret)
		case bytes.Contains(secret, []byte("-----BEGIN ")):
			return errors.New("the secret is a PEM file: a public key taken for a secret lets anybody sign")
		}
	case RS256:
		public, ok := k.Material.(*rsa.PublicKey)
		switch {
		case !ok:
			return fmt.Errorf("material is %T, not *rsa.PublicKey", k.Material)
		case public == nil || public.N == nil || public.N.Sign() <= 0:
			return errors.New("the RSA key is empty")
		case public.N.BitLen() < minRSA || public.N.BitLen() > maxRSA:
			return fmt.Errorf("the RSA key has %d bits, not %d to %d", public.N.BitLen(), minRSA, maxRSA)
		case public.E < 3 || public.E&1 == 0:
			return fmt.Errorf("the RSA key has the exponent %d", public.E)
		}
	case EdDSA:
		public, ok := k.Material.(ed25519.PublicKey)
		switch {
		case !ok:
			return fmt.Errorf("material is %T, not ed25519.PublicKey", k.Material)
		case len(public) != ed25519.PublicKeySize:
			return fmt.Errorf("the Ed25519 key has %d bytes, not %d", len(public), ed25519.PublicKeySize)
		}
	default:
		return errors.New("the algorithm is not one of HS256, RS256, EdDSA")
	}
	return nil
}

// clone copies the material, so that later writes of the caller have no effect.
func (k Key) clone() Key {
	switch m := k.Material.(type) {
	case []byte:
		k.Material = slices.Clone(m)
	case ed25519.PublicKey:
		k.Material = slices.Clone(m)
	}
	return k
}

func algorithms(keys []Key) []string {
	var list []string
	for _, k := range keys {
		if !slices.Contains(list, string(k.Algorithm)) {
			list = append(list, string(k.Algorithm))
		}
	}
	return list
}
