package jwtauth

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestAccepts(t *testing.T) {
	k := newKeyring(t)
	synctest.Test(t, func(t *testing.T) {
		a := mustNew(t, k.options())
		now := time.Now()
		for name, token := range map[string]string{
			"HS256":                  sign(t, jwt.SigningMethodHS256, k.secret, kid("h"), good()),
			"RS256":                  sign(t, jwt.SigningMethodRS256, k.rsa, kid("r"), good()),
			"EdDSA":                  sign(t, jwt.SigningMethodEdDSA, k.ed, kid("e"), good()),
			"no kid, one key for it": sign(t, jwt.SigningMethodEdDSA, k.ed, nil, good()),
			"second audience":        sign(t, jwt.SigningMethodEdDSA, k.ed, nil, with(jwt.MapClaims{"aud": "chat-2"})),
			"audience among others": sign(t, jwt.SigningMethodEdDSA, k.ed, nil,
				with(jwt.MapClaims{"aud": []string{"x", "chat"}})),
			"nbf now": sign(t, jwt.SigningMethodEdDSA, k.ed, nil,
				with(jwt.MapClaims{"nbf": now.Unix()})),
			"nbf within the leeway": sign(t, jwt.SigningMethodEdDSA, k.ed, nil,
				with(jwt.MapClaims{"nbf": now.Add(DefaultLeeway).Unix()})),
		} {
			principal, claims, expires, err := a.Authenticate(t.Context(), token)
			if err != nil || principal != "alice" || claims["iss"] != "https://id.example" {
				t.Errorf("%s: %q, %v, %v", name, principal, claims, err)
			}
			if want := now.Add(time.Hour + DefaultLeeway); !expires.Equal(want) {
				t.Errorf("%s: expires %v, want %v", name, expires, want)
			}
		}
	})
}

func TestRefuses(t *testing.T) {
	k := newKeyring(t)
	a := mustNew(t, k.options())
	ed := func(header map[string]any, claims jwt.MapClaims) string {
		return sign(t, jwt.SigningMethodEdDSA, k.ed, header, claims)
	}
	token := ed(nil, good())
	parts := strings.Split(token, ".")
	ago, ahead := time.Now().Add(-time.Hour).Unix(), time.Now().Add(time.Hour).Unix()

	tests := []struct {
		name, token string
		want        error
	}{
		{
			"alg none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, good()),
			jwt.ErrTokenSignatureInvalid,
		},
		{
			"alg none, kid of a key",
			sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid("h"), good()),
			jwt.ErrTokenSignatureInvalid,
		},
		{"alg None", segment(map[string]any{"alg": "None"}) + "." + parts[1] + ".", jwt.ErrTokenUnverifiable},
		{
			"alg missing", segment(map[string]any{"typ": "JWT"}) + "." + parts[1] + "." + parts[2],
			jwt.ErrTokenUnverifiable,
		},
		{
			"alg not a string", segment(map[string]any{"alg": 1}) + "." + parts[1] + "." + parts[2],
			jwt.ErrTokenUnverifiable,
		},
		{
			"HS256 by the RSA public key, PEM", sign(t, jwt.SigningMethodHS256, k.rsaPEM, kid("r"), good()),
			ErrUnknownKey,
		},
		{"the same without kid", sign(t, jwt.SigningMethodHS256, k.rsaPEM, nil, good()), jwt.ErrTokenSignatureInvalid},
		{"HS256 by the RSA public key, DER", sign(t, jwt.SigningMethodHS256,
			x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey), kid("r"), good()), ErrUnknownKey},
		{"HS256 by the Ed25519 public key", sign(t, jwt.SigningMethodHS256, []byte(k.ed.Public().(ed25519.PublicKey)),
			kid("e"), good()), ErrUnknownKey},
		{
			"HS384 by the secret", sign(t, jwt.SigningMethodHS384, k.secret, kid("h"), good()),
			jwt.ErrTokenSignatureInvalid,
		},
		{
			"RS512 by the right key", sign(t, jwt.SigningMethodRS512, k.rsa, kid("r"), good()),
			jwt.ErrTokenSignatureInvalid,
		},
		{
			"PS256 by the right key", sign(t, jwt.SigningMethodPS256, k.rsa, kid("r"), good()),
			jwt.ErrTokenSignatureInvalid,
		},
		{
			"signed by another key", sign(t, jwt.SigningMethodEdDSA, k.otherED, kid("e"), good()),
			jwt.ErrTokenSignatureInvalid,
		},

		{"kid unknown", ed(kid("x"), good()), ErrUnknownKey},
		{"kid of another algorithm's key", ed(kid("r"), good()), ErrUnknownKey},
		{"kid empty", ed(kid(""), good()), ErrUnknownKey},
		{"kid a number", ed(kid(1), good()), ErrUnknownKey},
		{"kid null", ed(kid(nil), good()), ErrUnknownKey},
		{"kid in other letters", ed(kid("E"), good()), ErrUnknownKey},
		{"key in the header", sign(t, jwt.SigningMethodEdDSA, k.otherED, map[string]any{
			"jwk": map[string]any{
				"kty": "OKP", "crv": "Ed25519",
				"x": base64.RawURLEncoding.EncodeToString(k.otherED.Public().(ed25519.PublicKey)),
			},
		}, good()), jwt.ErrTokenSignatureInvalid},
		{"crit", ed(map[string]any{"crit": []string{"b64"}, "b64": false}, good()), ErrCritical},

		{"exp missing", ed(nil, with(jwt.MapClaims{"exp": nil})), jwt.ErrTokenRequiredClaimMissing},
		{"exp null", ed(nil, with(jwt.MapClaims{"exp": json.RawMessage("null")})), jwt.ErrTokenInvalidClaims},
		{"exp past", ed(nil, with(jwt.MapClaims{"exp": ago})), jwt.ErrTokenExpired},
		{"exp zero", ed(nil, with(jwt.MapClaims{"exp": 0})), jwt.ErrTokenExpired},
		{"exp negative", ed(nil, with(jwt.MapClaims{"exp": -1})), jwt.ErrTokenExpired},
		{"exp a string", ed(nil, with(jwt.MapClaims{"exp": "4102444800"})), jwt.ErrTokenInvalidClaims},
		{
			"exp beyond any clock", ed(nil, with(jwt.MapClaims{"exp": json.Number("253402300800")})),
			jwt.ErrTokenInvalidClaims,
		},
		{"nbf ahead", ed(nil, with(jwt.MapClaims{"nbf": ahead})), jwt.ErrTokenNotValidYet},
		{"nbf beyond an int64", ed(nil, with(jwt.MapClaims{"nbf": json.Number("1e30")})), jwt.ErrTokenInvalidClaims},
		{"nbf beyond a float", ed(nil, with(jwt.MapClaims{"nbf": json.Number("1e999")})), jwt.ErrTokenInvalidClaims},
		{"nbf a string", ed(nil, with(jwt.MapClaims{"nbf": "0"})), jwt.ErrTokenInvalidClaims},

		{"aud other", ed(nil, with(jwt.MapClaims{"aud": "shop"})), jwt.ErrTokenInvalidAudience},
		{"aud in other letters", ed(nil, with(jwt.MapClaims{"aud": "CHAT"})), jwt.ErrTokenInvalidAudience},
		{"aud others", ed(nil, with(jwt.MapClaims{"aud": []string{"shop", "chat-3"}})), jwt.ErrTokenInvalidAudience},
		{"aud missing", ed(nil, with(jwt.MapClaims{"aud": nil})), jwt.ErrTokenRequiredClaimMissing},
		{"aud empty", ed(nil, with(jwt.MapClaims{"aud": []string{}})), jwt.ErrTokenRequiredClaimMissing},
		{"aud a number", ed(nil, with(jwt.MapClaims{"aud": 1})), jwt.ErrTokenRequiredClaimMissing},
		{"iss other", ed(nil, with(jwt.MapClaims{"iss": "https://id.example/"})), jwt.ErrTokenInvalidIssuer},
		{"iss missing", ed(nil, with(jwt.MapClaims{"iss": nil})), jwt.ErrTokenRequiredClaimMissing},
		{"sub missing", ed(nil, with(jwt.MapClaims{"sub": nil})), ErrNoPrincipal},
		{"sub empty", ed(nil, with(jwt.MapClaims{"sub": ""})), ErrNoPrincipal},

		{
			"payload tampered", parts[0] + "." + segment(with(jwt.MapClaims{"sub": "mallory"})) + "." + parts[2],
			jwt.ErrTokenSignatureInvalid,
		},
		{
			"header tampered", segment(map[string]any{"alg": "EdDSA", "typ": "x"}) + "." + parts[1] + "." + parts[2],
			jwt.ErrTokenSignatureInvalid,
		},
		{"signature cut", token[:len(token)-4], ErrRefused},
		{"signature missing", parts[0] + "." + parts[1] + ".", jwt.ErrTokenSignatureInvalid},
		{"empty", "", jwt.ErrTokenMalformed},
		{"dots", "..", jwt.ErrTokenMalformed},
		{"two parts", parts[0] + "." + parts[1], jwt.ErrTokenMalformed},
		{"four parts", token + ".x", jwt.ErrTokenMalformed},
		{"Bearer", "Bearer " + token, jwt.ErrTokenMalformed},
		{"line end", token + "\n", jwt.ErrTokenMalformed},
		{"line end inside", parts[0] + "\n." + parts[1] + "." + parts[2], jwt.ErrTokenMalformed},
		{"padding", token + "==", jwt.ErrTokenMalformed},
		{"header no JSON", "bm8." + parts[1] + "." + parts[2], jwt.ErrTokenMalformed},
		{"claims no object", parts[0] + "." + segment([]int{1}) + "." + parts[2], jwt.ErrTokenMalformed},
		{"above 8 KiB, else good", ed(nil, with(jwt.MapClaims{"x": strings.Repeat("x", MaxToken)})), ErrTooLarge},
		{"above 8 KiB, garbage", strings.Repeat("x", MaxToken+1), ErrTooLarge},
		{"8 KiB of garbage", strings.Repeat("x", MaxToken), jwt.ErrTokenMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			principal, claims, expires, err := a.Authenticate(t.Context(), tt.token)
			if !errors.Is(err, ErrRefused) || !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if principal != "" || claims != nil || !expires.IsZero() {
				t.Errorf("a refusal gave %q, %v, %v", principal, claims, expires)
			}
			for part := range strings.SplitSeq(tt.token, ".") {
				if err != nil && len(part) > 8 && strings.Contains(err.Error(), part) {
					t.Errorf("the error quotes the token: %v", err)
				}
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	k := newKeyring(t)
	tests := []struct{ set, leeway time.Duration }{{0, DefaultLeeway}, {-1, 0}, {time.Minute, time.Minute}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			o := k.options()
			o.Leeway = tt.set
			a := mustNew(t, o)
			token := sign(t, jwt.SigningMethodEdDSA, k.ed, nil,
				with(jwt.MapClaims{"exp": time.Now().Add(time.Minute).Unix()}))
			_, _, expires, err := a.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute + tt.leeway - time.Nanosecond)
			if _, _, _, err := a.Authenticate(t.Context(), token); err != nil {
				t.Errorf("leeway %v: refused early: %v", tt.set, err)
			}
			time.Sleep(time.Nanosecond)
			if !time.Now().Equal(expires) {
				t.Errorf("leeway %v: expires says %v, now is %v", tt.set, expires, time.Now())
			}
			if _, _, _, err := a.Authenticate(t.Context(), token); !errors.Is(err, jwt.ErrTokenExpired) {
				t.Errorf("leeway %v: %v", tt.set, err)
			}
		})
	}
}

func TestOptOuts(t *testing.T) {
	k := newKeyring(t)
	o := k.options()
	o.Audience, o.AnyAudience, o.Issuer, o.AnyIssuer = nil, true, "", true
	a := mustNew(t, o)
	for _, claims := range []jwt.MapClaims{
		good(), with(jwt.MapClaims{"aud": "shop", "iss": "x"}),
		with(jwt.MapClaims{"aud": nil, "iss": nil}),
	} {
		if _, _, _, err := a.Authenticate(t.Context(), sign(t, jwt.SigningMethodEdDSA, k.ed, nil, claims)); err != nil {
			t.Errorf("%v: %v", claims, err)
		}
	}
	eternal := sign(t, jwt.SigningMethodEdDSA, k.ed, nil, with(jwt.MapClaims{"exp": nil}))
	if _, _, _, err := a.Authenticate(t.Context(), eternal); !errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
		t.Errorf("exp: %v", err)
	}
}

func TestKeySelection(t *testing.T) {
	k := newKeyring(t)
	a := Key{ID: "a", Algorithm: EdDSA, Material: k.ed.Public()}
	b := Key{ID: "b", Algorithm: EdDSA, Material: k.otherED.Public()}
	unnamed := Key{Algorithm: EdDSA, Material: k.ed.Public()}
	tests := []struct {
		name   string
		keys   []Key
		header map[string]any
		want   error
	}{
		{"two keys, named", []Key{b, a}, kid("a"), nil},
		{"two keys, the other named", []Key{a, b}, kid("b"), jwt.ErrTokenSignatureInvalid},
		{"two keys, none named", []Key{a, b}, nil, ErrUnknownKey},
		{"one key without ID, none named", []Key{unnamed}, nil, nil},
		{"one key without ID, any name", []Key{unnamed}, kid("whatever"), nil},
		{"one key without ID, a name that is none", []Key{unnamed}, kid(1), ErrUnknownKey},
		{"named before unnamed", []Key{unnamed, b}, kid("b"), jwt.ErrTokenSignatureInvalid},
		{"unnamed for the unknown name", []Key{b, unnamed}, kid("c"), nil},
		{"one of each, none named", []Key{unnamed, b}, nil, ErrUnknownKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := k.options()
			o.Keys = tt.keys
			_, _, _, err := mustNew(t, o).Authenticate(t.Context(),
				sign(t, jwt.SigningMethodEdDSA, k.ed, tt.header, good()))
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestPrincipal(t *testing.T) {
	k := newKeyring(t)
	token := sign(t, jwt.SigningMethodEdDSA, k.ed, nil, with(jwt.MapClaims{"uid": json.Number("9007199254740993")}))
	broken := errors.New("broken")
	type ctxKey struct{}
	tests := []struct {
		name      string
		principal func(context.Context, map[string]any) (string, error)
		want      string
		err       error
	}{
		{"from a number above 2^53", func(_ context.Context, c map[string]any) (string, error) {
			return c["uid"].(json.Number).String(), nil
		}, "9007199254740993", nil},
		{
			"has the context",
			func(ctx context.Context, _ map[string]any) (string, error) { return ctx.Value(ctxKey{}).(string), nil },
			"bob", nil,
		},
		{"empty", func(context.Context, map[string]any) (string, error) { return "", nil }, "", ErrNoPrincipal},
		{"error", func(context.Context, map[string]any) (string, error) { return "alice", broken }, "", broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := k.options()
			o.Principal = tt.principal
			got, _, _, err := mustNew(t, o).Authenticate(context.WithValue(t.Context(), ctxKey{}, "bob"), token)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	t.Run("sub not a string", func(t *testing.T) {
		token := sign(t, jwt.SigningMethodEdDSA, k.ed, nil, with(jwt.MapClaims{"sub": 7}))
		if got, _, _, err := mustNew(t, k.options()).Authenticate(t.Context(), token); err == nil || got != "" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestContextEnded(t *testing.T) {
	k := newKeyring(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, _, err := mustNew(t, k.options()).Authenticate(ctx, sign(t, jwt.SigningMethodEdDSA, k.ed, nil, good()))
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	k := newKeyring(t)
	small := &rsa.PublicKey{N: new(big.Int).Rsh(k.rsa.N, 1024), E: k.rsa.E}
	tests := []struct {
		name string
		set  func(*Options)
		want string
	}{
		{"no keys", func(o *Options) { o.Keys = nil }, "0 keys"},
		{"too many keys", func(o *Options) { o.Keys = make([]Key, maxKeys+1) }, "101 keys"},
		{"no audience", func(o *Options) { o.Audience = nil }, "AnyAudience"},
		{"audience and any", func(o *Options) { o.AnyAudience = true }, "AnyAudience"},
		{"an empty audience", func(o *Options) { o.Audience = []string{"chat", ""} }, "Audience"},
		{"no issuer", func(o *Options) { o.Issuer = "" }, "AnyIssuer"},
		{"issuer and any", func(o *Options) { o.AnyIssuer = true }, "AnyIssuer"},
		{"leeway", func(o *Options) { o.Leeway = MaxLeeway + 1 }, "leeway"},
		{"the same key twice", func(o *Options) { o.Keys = append(o.Keys, o.Keys[0]) }, `HS256 key "h" is there twice`},
		{"none", func(o *Options) { o.Keys[0].Algorithm = "none" }, "not one of"},
		{"no algorithm", func(o *Options) { o.Keys[0].Algorithm = "" }, "not one of"},
		{"short secret", func(o *Options) { o.Keys[0].Material = k.secret[:31] }, "31 bytes"},
		{"secret a string", func(o *Options) { o.Keys[0].Material = string(k.secret) }, "string, not []byte"},
		{"PEM as secret", func(o *Options) { o.Keys[0].Material = k.rsaPEM }, "PEM"},
		{"RSA key for HS256", func(o *Options) { o.Keys[1].Algorithm = HS256 }, "not []byte"},
		{"private RSA key", func(o *Options) { o.Keys[1].Material = k.rsa }, "PrivateKey, not *rsa.PublicKey"},
		{"RSA key by value", func(o *Options) { o.Keys[1].Material = k.rsa.PublicKey }, "not *rsa.PublicKey"},
		{"nil RSA key", func(o *Options) { o.Keys[1].Material = (*rsa.PublicKey)(nil) }, "empty"},
		{"empty RSA key", func(o *Options) { o.Keys[1].Material = &rsa.PublicKey{} }, "empty"},
		{"small RSA key", func(o *Options) { o.Keys[1].Material = small }, "1024 bits"},
		{"exponent", func(o *Options) { o.Keys[1].Material = &rsa.PublicKey{N: k.rsa.N, E: 1} }, "exponent"},
		{"private Ed25519 key", func(o *Options) { o.Keys[2].Material = k.ed }, "PrivateKey, not ed25519.PublicKey"},
		{"short Ed25519 key", func(o *Options) { o.Keys[2].Material = ed25519.PublicKey{1} }, "1 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := k.options()
			tt.set(&o)
			_, err := New(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want ...%s...", err, tt.want)
			}
			if strings.Contains(err.Error(), "ssssss") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestKeysAreCopied(t *testing.T) {
	k := newKeyring(t)
	token := sign(t, jwt.SigningMethodHS256, k.secret, kid("h"), good())
	public := append(ed25519.PublicKey(nil), k.ed.Public().(ed25519.PublicKey)...)
	o := k.options()
	o.Keys[0].Material = append([]byte(nil), k.secret...)
	o.Keys[2].Material = public
	a := mustNew(t, o)
	clear(o.Keys[0].Material.([]byte))
	clear(public)
	for _, token := range []string{token, sign(t, jwt.SigningMethodEdDSA, k.ed, kid("e"), good())} {
		if _, _, _, err := a.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
}
