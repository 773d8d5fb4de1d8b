// Package session keeps a conversation of one client and one server through any number of connections.
//
// Three nouns. A [Session] is one end of the conversation: Send and Receive, or callbacks. A [Table] holds the server's ends and is given
// carriers to serve. [Dial] makes a client's end and keeps it connected through dialers of several transports.
//
// The guarantee, docs/protocol.md: what an application has received is a prefix of what its peer sent, in order, without gap or duplicate. A
// message leaves the sender's log only when the peer's application has taken it. That is exactly-once delivery within a session, not
// exactly-once processing: [Message.Number] with the session's id makes an idempotency key.
//
// Cancellation: a context given to Send, Receive, Drained or Close ends that wait. It never ends the session.
//
// Inside: sendLog and recvLog are the two logs; clientMachine and serverMachine decide, without I/O; settle.go turns their decisions into
// work; serve.go and dialing.go do it. The files client_*.go and server_*.go hold one topic of docs/protocol.md each.
package session
