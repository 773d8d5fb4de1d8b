// Package middlebox is a hostile proxy: what firewalls, scanners, balancers and radios do to web traffic, as named modes that compose.
// [List] tells them; F01 … F25 are the failure modes of docs/conformance.md. It speaks HTTP/1.x to its clients and knows of Holdfast only
// the kind in a body's first line, so that a mode can be kept to WebSockets, streams or polls. It listens on loopback only.
package middlebox
