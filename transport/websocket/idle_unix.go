//go:build unix

package websocket

import "syscall"

const canWait = true

// readNow reads without waiting. nothing: there is nothing to read at this moment.
func readNow(fd uintptr, p []byte) (n int, nothing bool) {
	n, err := syscall.Read(int(fd), p)
	return max(n, 0), err == syscall.EAGAIN
}
