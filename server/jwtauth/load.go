package jwtauth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// maxFile bounds a key file in bytes.
const maxFile = 1 << 20

// ParseKeys reads a key file: a JWK Set if it starts with {, else PEM.
func ParseKeys(data []byte) ([]Key, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return ParseJWKS(data)
	}
	return ParsePEM(data)
}

// ParsePEM reads public keys: blocks PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE, whose dates and
// issuer are not checked. The keys have no ID, and their type decides the algorithm, so there can
// be one RSA and one Ed25519 key. A private key is an error, because it must not be on this server.
func ParsePEM(data []byte) ([]Key, error) {
	if len(data) > maxFile {
		return nil, errors.New("jwtauth: key file above 1 MiB")
	}
	var keys []Key
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: PEM block %q: %w", block.Type, err)
		}
		switch public := public.(type) {
		case *rsa.PublicKey:
			keys = append(keys, Key{Algorithm: RS256, Material: public})
		case ed25519.PublicKey:
			keys = append(keys, Key{Algorithm: EdDSA, Material: public})
		default:
			return nil, fmt.Errorf("jwtauth: PEM block %q: %T is neither RSA nor Ed25519", block.Type, public)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("jwtauth: no public key in PEM form found")
	}
	return checkKeys(keys)
}

func parseBlock(block *pem.Block) (any, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("a private key; give the public one")
	}
	return nil, errors.New("not a public key")
}

// jwk has the members of a JSON Web Key that are read.
type jwk struct {
	Kty string   `json:"kty"`
	Use string   `json:"use"`
	Ops []string `json:"key_ops"`
	Alg string   `json:"alg"`
	Kid string   `json:"kid"`
	Crv string   `json:"crv"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	X   string   `json:"x"`
	K   string   `json:"k"`
	D   string   `json:"d"`
}

// ParseJWKS reads a JWK Set (RFC 7517). Keys for other algorithms or uses are skipped, as the RFC
// requires. A broken key for our use is an error, and so are a private key and a set without a key
// for us. A shared secret (oct) must state its algorithm, HS256.
func ParseJWKS(data []byte) ([]Key, error) {
	if len(data) > maxFile {
		return nil, errors.New("jwtauth: key file above 1 MiB")
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("jwtauth: JWK Set: %w", err)
	}
	var keys []Key
	for i, j := range set.Keys {
		algorithm, ours := j.algorithm()
		if !ours {
			continue
		}
		material, err := j.material(algorithm)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: JWK Set: key %d (kid %q): %w", i+1, j.Kid, err)
		}
		keys = append(keys, Key{ID: j.Kid, Algorithm: algorithm, Material: material})
	}
	if len(keys) == 0 {
		return nil, errors.New("jwtauth: JWK Set: no key for HS256, RS256 or EdDSA")
	}
	return checkKeys(keys)
}

// algorithm returns the algorithm of the key; false skips the key.
func (j jwk) algorithm() (Algorithm, bool) {
	if j.Use != "" && j.Use != "sig" || j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return "", false
	}
	switch {
	case j.Kty == "RSA" && (j.Alg == "" || j.Alg == "RS256"):
		return RS256, true
	case j.Kty == "OKP" && j.Crv == "Ed25519" && (j.Alg == "" || j.Alg == "EdDSA" || j.Alg == "Ed25519"):
		return EdDSA, true
	case j.Kty == "oct" && j.Alg == "HS256":
		return HS256, true
	}
	return "", false
}

func (j jwk) material(algorithm Algorithm) (any, error) {
	if j.D != "" {
		return nil, errors.New("a private key; give the public one")
	}
	switch algorithm {
	case RS256:
		n, err := decode("n", j.N)
		if err != nil {
			return nil, err
		}
		e, err := decode("e", j.E)
		if err != nil {
			return nil, err
		}
		exponent := new(big.Int).SetBytes(e)
		if exponent.BitLen() > 31 {
			return nil, errors.New("e is too large")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
	case EdDSA:
		x, err := decode("x", j.X)
		return ed25519.PublicKey(x), err
	default:
		return decode("k", j.K)
	}
}

// decode reads a member in base64url. Its error does not quote the value, which may be a secret.
func decode(name, value string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%s is missing or not base64url", name)
	}
	return b, nil
}
