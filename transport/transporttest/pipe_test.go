package transporttest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport/transporttest"
)

func TestPipeBuffersAndHalfCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := transporttest.Pipe()
		if _, err := a.Write([]byte("ask")); err != nil { // nobody reads yet
			t.Fatal(err)
		}
		if err := a.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != "ask" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := b.Write([]byte("answer")); err != nil { // the other direction is still open
			t.Fatal(err)
		}
		_ = b.Close()
		if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("read after close: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := transporttest.Pipe()
		start := time.Now()
		_ = a.SetReadDeadline(start.Add(time.Minute))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) ||
			time.Since(start) != time.Minute {
			t.Fatalf("read: %v after %v", err, time.Since(start))
		}
		_ = a.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			_ = a.SetReadDeadline(time.Unix(1, 0)) // net/http ends a pending read in this way
		}()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("pending read: %v", err)
		}
		_ = a.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := a.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Fatalf("write that nobody reads: %d, %v", n, err)
		}
		_ = a.SetWriteDeadline(time.Time{})
		go func() { _, _ = io.Copy(io.Discard, b) }()
		if n, err := a.Write(make([]byte, 1<<20)); n != 1<<20 || err != nil {
			t.Fatalf("write after the deadline was cleared: %d, %v", n, err)
		}
		_ = a.Close()
	})
}

func TestFaults(t *testing.T) {
	const up, down = "abcdefgh", "ABCDEFGH"
	for _, tc := range []struct {
		name     string
		f        transporttest.Faults
		up, down string
		upErr    error // the error of the server's reading; nil is io.EOF
		downErr  error
	}{
		{name: "none", up: up + up, down: down + down},
		{
			name: "cut up", f: transporttest.Faults{Up: transporttest.Fault{Action: transporttest.Cut, After: 3}},
			up: "abc", upErr: syscall.ECONNRESET, downErr: syscall.ECONNRESET,
		},
		{
			name: "cut down", f: transporttest.Faults{Down: transporttest.Fault{Action: transporttest.Cut, After: 11}},
			up: up + up, upErr: syscall.ECONNRESET, down: down + "ABC", downErr: syscall.ECONNRESET,
		},
		{
			name: "end up", f: transporttest.Faults{Up: transporttest.Fault{Action: transporttest.End, After: 10}},
			up: up + "ab", down: down + down,
		},
		{
			name: "end down", f: transporttest.Faults{Down: transporttest.Fault{Action: transporttest.End, After: 0}},
			up: up + up,
		},
		{
			name: "hole up", f: transporttest.Faults{Up: transporttest.Fault{Action: transporttest.Hole, After: 9}},
			up: up + "a", down: down + down,
		},
		{
			name: "hole down", f: transporttest.Faults{Down: transporttest.Fault{Action: transporttest.Hole, After: 1}},
			up: up + up, down: "A",
		},
		{
			name: "drop the second write",
			f:    transporttest.Faults{Up: transporttest.Fault{Action: transporttest.Drop, After: 8}}, up: up,
			down: down + down,
		},
		{
			name: "repeat the first write",
			f:    transporttest.Faults{Up: transporttest.Fault{Action: transporttest.Repeat}},
			up:   up + up + up, down: down + down,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := transporttest.Pipe()
				a = transporttest.Faulty(a, tc.f)
				var got bytes.Buffer
				var err error
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = b.Write([]byte(down))
					_, _ = b.Write([]byte(down))
					_, err = got.ReadFrom(b)
				}()
				synctest.Wait()
				_, _ = a.Write([]byte(up))
				_, _ = a.Write([]byte(up))
				_ = a.(interface{ CloseWrite() error }).CloseWrite()
				_ = a.SetReadDeadline(time.Now().Add(time.Second))
				back, downErr := io.ReadAll(a)
				if errors.Is(downErr, os.ErrDeadlineExceeded) {
					downErr = nil
				}
				_ = a.Close()
				<-done
				if string(back) != tc.down && tc.upErr == nil || !errors.Is(downErr, tc.downErr) {
					t.Errorf("down: %q, %v", back, downErr)
				}
				// The server notices a cut of the other direction only when the client has read so
				// far.
				if got.String() != tc.up || !errors.Is(err, tc.upErr) && tc.name != "cut down" {
					t.Errorf("up: %q, %v", got.String(), err)
				}
				if tc.name == "cut down" && string(back) != tc.down {
					t.Errorf("down: %q", back)
				}
			})
		})
	}
}
