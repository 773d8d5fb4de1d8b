package aside

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
		t.Error("did not wait")
	}
	Run(runtime.Goexit) // returns
}

// recovered is what Run panics with.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	Run(f)
	return nil
}

func blowUp() { panic(io.ErrUnexpectedEOF) }

func TestPanicGoesOn(t *testing.T) {
	err, ok := recovered(blowUp).(error)
	if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "blowUp") {
		t.Errorf("an error: %v", err)
	}
	if p, ok := recovered(func() { panic("text") }).(*Panic); !ok || p.Value != "text" || p.Unwrap() != nil {
		t.Errorf("text: %v", p)
	}
	if p, ok := recovered(func() { panic([]int{1}) }).(*Panic); !ok { // of a type that has no ==
		t.Errorf("a slice: %v", p)
	}
	if v := recovered(func() { panic(http.ErrAbortHandler) }); v != any(http.ErrAbortHandler) { // the same, as net/http compares it
		t.Errorf("ErrAbortHandler: %v", v)
	}
}
