// Package clientjs holds the built browser client, so that the Go server can serve it without npm.
//
// The files are built from src by `task build:js` and committed; the tests fail when they differ from their source.
package clientjs

import _ "embed"

// Script is the minified client as a classic script: it defines the global Holdfast. It must not be written to.
//
//go:embed dist/holdfast.min.js
var Script []byte

// Module is the client as an ECMAScript module. It must not be written to.
//
//go:embed dist/holdfast.mjs
var Module []byte

// Doctor is the module holdfast/doctor, for the page that diagnoses. It must not be written to.
//
//go:embed dist/doctor.mjs
var Doctor []byte
