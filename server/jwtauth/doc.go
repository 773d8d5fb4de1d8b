// Package jwtauth authenticates sessions by JSON Web Token (RFC 7519). A client whose token is
// signed by a trusted key, for this audience, by this issuer, and not expired, is the principal
// that the token names.
//
// Tokens are dangerous if a verifier is not strict, so this one is. Each key has one algorithm,
// which the configuration chooses and never the token. exp is required. Audience and issuer are
// checked unless the options explicitly allow any. A token above [MaxToken] bytes is refused before
// it is parsed.
//
// The package knows nothing about sessions. The hook of a server calls [Authenticator.Authenticate]
// with the token from the auth field of the open. A token is never in a URL.
package jwtauth
