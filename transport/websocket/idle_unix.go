//go:build unix

package websocket

import "syscall"

const canWait = true

// readNow reads without waiting. nothing is true if there is nothing to read now.
func readNow(fd uintptr, p []byte) (n int, nothing bool) {
	n, err := syscall.Read(int(fd), p)
	return max(n, 0), err == syscall.EAGAIN
}
