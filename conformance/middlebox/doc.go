// Package middlebox is a hostile proxy. It does what firewalls, scanners, balancers and radio
// networks do to web traffic, as named modes that can be combined. [List] describes them; F01 … F25
// are the failure modes of docs/conformance.md. It speaks HTTP/1.x to its clients. Of Holdfast it
// knows only the kind in a body's first line, so that a mode can be limited to WebSockets, streams
// or polls. It listens on loopback only.
package middlebox
