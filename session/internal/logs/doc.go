// Package logs holds the two logs of one end of a session: what it sends, and what it receives.
//
// A log knows positions, lines and the window, and nothing of attachments or time. It is not safe
// for concurrent use; the lock of its session guards it.
package logs
