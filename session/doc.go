// Package session keeps a conversation of one client and one server through any number of
// connections.
//
// Three nouns. A [Session] is one end of the conversation: Send and Receive, or callbacks. A
// [Registry] holds the server's ends and is given conns to serve. [Dial] makes a client's end and
// keeps it connected through dialers of several transports.
//
// The guarantee, docs/protocol.md: what an application has received is a prefix of what its peer
// sent, in order, without gap or duplicate. A message leaves the sender's log only when the peer's
// application has taken it. That is exactly-once delivery within a session, not exactly-once
// processing: [Message.Number] with the session's id makes an idempotency key.
//
// Cancellation: a context given to Send, Receive, Drained or Close ends that wait. It never ends
// the session.
//
// Inside: the machines of both ends decide, without I/O (internal/clientmachine and
// internal/servermachine). This package runs them: it gives them batches and the time, and does
// what they ask for. docs/architecture.md draws it.
package session
