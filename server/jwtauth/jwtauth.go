package jwtauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxToken is the largest token in bytes; a larger one is refused before it is parsed.
	MaxToken = 8 << 10
	// DefaultLeeway is how much clocks may differ.
	DefaultLeeway = 30 * time.Second
	// MaxLeeway bounds [Options.Leeway]: more would not correct a clock, but only make a stolen
	// token valid for longer.
	MaxLeeway = 5 * time.Minute
)

// The errors of [Authenticator.Authenticate]. Each is also an ErrRefused. So are the errors of
// golang-jwt, such as [jwt.ErrTokenExpired], which are wrapped in the same way.
var (
	ErrRefused     = errors.New("jwtauth: token refused")
	ErrTooLarge    = errors.New("token above 8 KiB")
	ErrUnknownKey  = errors.New("no key for this token")
	ErrCritical    = errors.New("token demands an extension")
	ErrNoPrincipal = errors.New("token names no principal")
)

// Options are the settings of an [Authenticator]. Keys, an audience and an issuer are required.
type Options struct {
	// Keys are the trusted keys. A token with a kid is checked with the key of that ID, or else
	// with the key without an ID. A token without a kid is checked with the only key of its
	// algorithm. There is never a second try.
	Keys []Key

	// Audience lists the names of this server: the token's aud must contain one of them.
	// AnyAudience accepts tokens for any audience, and tokens without one: then a token for another
	// service can open sessions here.
	Audience    []string
	AnyAudience bool

	// Issuer is the required iss of a token. AnyIssuer accepts every issuer whose key is trusted.
	Issuer    string
	AnyIssuer bool

	// Leeway is the tolerance for exp and nbf. 0 is [DefaultLeeway], less than 0 is none; at most
	// [MaxLeeway].
	Leeway time.Duration

	// Principal returns the principal of verified claims. Nil uses sub. An error or "" refuses the
	// token, because "" is the anonymous principal, and a token must not lead to that. It is called
	// concurrently, and must not keep or change the claims.
	Principal func(ctx context.Context, claims map[string]any) (string, error)
}

// Authenticator checks tokens. Many goroutines may use it at the same time.
type Authenticator struct {
	keys      []Key
	parser    *jwt.Parser
	leeway    time.Duration
	principal func(context.Context, map[string]any) (string, error)
}

// New checks the options; its errors say what to set.
func New(o Options) (*Authenticator, error) {
	a := &Authenticator{leeway: o.Leeway, principal: o.Principal}
	if a.principal == nil {
		a.principal = subject
	}
	switch {
	case o.Leeway == 0:
		a.leeway = DefaultLeeway
	case o.Leeway < 0:
		a.leeway = 0
	case o.Leeway > MaxLeeway:
		return nil, fmt.Errorf("jwtauth: leeway %v is above %v", o.Leeway, MaxLeeway)
	}
	keys, err := checkKeys(o.Keys)
	if err != nil {
		return nil, err
	}
	a.keys = keys

	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms(keys)),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(a.leeway),
		jwt.WithStrictDecoding(),
		jwt.WithJSONNumber(), // a numeric user id above 2^53 must not be rounded to that of another user
	}
	switch {
	case o.AnyAudience == (len(o.Audience) > 0) || slices.Contains(o.Audience, ""):
		return nil, errors.New("jwtauth: set either Audience, to names that are not empty, or AnyAudience")
	case !o.AnyAudience:
		options = append(options, jwt.WithAudience(slices.Clone(o.Audience)...))
	}
	switch {
	case o.AnyIssuer == (o.Issuer != ""):
		return nil, errors.New("jwtauth: set either Issuer or AnyIssuer")
	case !o.AnyIssuer:
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	a.parser = jwt.NewParser(options...)
	return a, nil
}

// Authenticate checks a token and returns the principal it names, its claims (numbers as
// [json.Number]), and the time from which it will be refused: its exp plus the leeway. The error is
// an [ErrRefused] unless ctx ended or Principal failed. It contains no part of the token's claims
// or signature and is for the log; send the client only "refused".
func (a *Authenticator) Authenticate(ctx context.Context, token string) (
	principal string, claims map[string]any, expires time.Time, err error,
) {
	if err := ctx.Err(); err != nil {
		return "", nil, time.Time{}, err
	}
	if len(token) > MaxToken {
		return refuse(ErrTooLarge)
	}
	if !compact(token) {
		return refuse(jwt.ErrTokenMalformed)
	}
	verified := jwt.MapClaims{}
	if _, err := a.parser.ParseWithClaims(token, verified, a.key); err != nil {
		return refuse(reason(err))
	}
	expires, err = a.times(verified)
	if err != nil {
		return refuse(err)
	}
	principal, err = a.principal(ctx, verified)
	if err != nil {
		return "", nil, time.Time{}, fmt.Errorf("jwtauth: principal: %w", err)
	}
	if principal == "" {
		return refuse(ErrNoPrincipal)
	}
	return principal, verified, expires, nil
}

// key returns the one key for a token. An attacker can write the header, so it selects a key but
// never the use of a key.
func (a *Authenticator) key(token *jwt.Token) (any, error) {
	if _, found := token.Header["crit"]; found {
		return nil, ErrCritical // RFC 7515 §4.1.11: an extension that must be understood, and is not
	}
	kid, named := token.Header["kid"]
	id, ok := kid.(string)
	if named && !ok {
		return nil, ErrUnknownKey
	}
	var chosen *Key
	for i := range a.keys {
		k := &a.keys[i]
		if string(k.Algorithm) != token.Method.Alg() {
			continue
		}
		switch {
		case named && id != "" && k.ID == id:
			return k.Material, nil
		case named && k.ID != "":
			// for another algorithm
		case chosen != nil:
			return nil, ErrUnknownKey // several keys are possible: the token must name one
		default:
			chosen = k
		}
	}
	if chosen == nil {
		return nil, ErrUnknownKey
	}
	return chosen.Material, nil
}

// maxTime is the end of the year 9999. A date above the range of int64 would become one in the
// distant past.
const maxTime = 253402300799

// times refuses dates that are out of range, and returns when the token expires.
func (a *Authenticator) times(claims jwt.MapClaims) (time.Time, error) {
	for _, name := range []string{"exp", "nbf"} {
		number, ok := claims[name].(json.Number)
		if !ok {
			continue
		}
		if f, err := number.Float64(); err != nil || f < 0 || f > maxTime {
			return time.Time{}, jwt.ErrTokenInvalidClaims
		}
	}
	exp, err := claims.GetExpirationTime()
	if err != nil || exp == nil {
		return time.Time{}, jwt.ErrTokenRequiredClaimMissing
	}
	return exp.Add(a.leeway), nil
}

func subject(_ context.Context, claims map[string]any) (string, error) {
	return jwt.MapClaims(claims).GetSubject()
}

func refuse(err error) (string, map[string]any, time.Time, error) {
	return "", nil, time.Time{}, fmt.Errorf("%w: %w", ErrRefused, err)
}

// reason keeps only the kind of a parser's error, because its text may quote the token.
func reason(err error) error {
	for _, known := range []error{
		ErrCritical, ErrUnknownKey, jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenExpired,
		jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer,
		jwt.ErrTokenRequiredClaimMissing,
		jwt.ErrTokenInvalidClaims,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return jwt.ErrTokenUnverifiable
}

// compact reports whether the token has only base64url characters and dots: Go's decoder would skip
// line ends.
func compact(token string) bool {
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
