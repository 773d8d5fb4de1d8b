//go:build !unix

package websocket

const canWait = false

func readNow(uintptr, []byte) (n int, nothing bool) { return 0, false }
