package freshstack

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	ran := false
	Run(func() { ran = true })
	if !ran {
		t.Error("Run did not wait for the function")
	}
	Run(runtime.Goexit) // Run must return
}

// recovered returns the value that Run panics with.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	Run(f)
	return nil
}

func blowUp() { panic(io.ErrUnexpectedEOF) }

func TestPanicGoesOn(t *testing.T) {
	err, ok := recovered(blowUp).(error)
	if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "blowUp") {
		t.Errorf("for an error Run panicked with %v", err)
	}
	if p, ok := recovered(func() { panic("text") }).(*Panic); !ok || p.Value != "text" || p.Unwrap() != nil {
		t.Errorf("for a text Run panicked with %v", p)
	}
	if p, ok := recovered(func() { panic([]int{1}) }).(*Panic); !ok { // slices cannot be compared with ==
		t.Errorf("for a slice Run panicked with %v", p)
	}
	// net/http compares ErrAbortHandler with ==, so it must be the same value.
	if v := recovered(func() { panic(http.ErrAbortHandler) }); v != any(http.ErrAbortHandler) {
		t.Errorf("for ErrAbortHandler Run panicked with %v", v)
	}
}
