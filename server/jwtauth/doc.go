// Package jwtauth authenticates sessions by JSON Web Token (RFC 7519): who holds a token that a
// trusted key has signed, for this audience, by this issuer, not expired, is the principal that the
// token names.
//
// What makes tokens dangerous is what a verifier leaves open, so little is: each key serves one
// algorithm, chosen by the configuration and never by the token; exp is required; audience and
// issuer are checked unless the options say in so many words that any will do; a token above
// [MaxToken] bytes is refused unread.
//
// The package knows nothing of sessions. [Authenticator.Authenticate] is called from a server's
// hook with the token that the client has put into the open's auth field, never into a URL.
package jwtauth
