package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/transport"
)

// ProtocolError says which rule of docs/protocol.md a peer broke. Detail names the requirement and,
// for a batch, the line; it never holds what the peer sent, so it may be logged and told.
type ProtocolError struct {
	Code   transport.Code // the close code for it, of the 43xx
	Detail string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("session: protocol error %d: %s", e.Code, e.Detail)
}

// parseError is a broken rule before it is known on which line. They are constants: a refusal
// allocates nothing until the error is needed.
type parseError struct{ rule, what string }

// at makes the error for a line of a batch; line 0 is the head.
func (b *parseError) at(line int) *ProtocolError {
	return &ProtocolError{Code: transport.CodeMalformed, Detail: fmt.Sprintf("line %d: %s (%s)", line, b.what, b.rule)}
}

func (b *parseError) err() *ProtocolError {
	return &ProtocolError{Code: transport.CodeMalformed, Detail: fmt.Sprintf("%s (%s)", b.what, b.rule)}
}

// The ways to break section 2, "Batches".
var (
	errEmpty      = &parseError{"HF1-BAT-01", "empty batch"}
	errUnended    = &parseError{"HF1-BAT-01", "last line without LF"}
	errHead       = &parseError{"HF1-BAT-01", "not a head line"}
	errLine       = &parseError{"HF1-BAT-01", "unknown kind of line"}
	errName       = &parseError{"HF1-BAT-01", "not the name of a control"}
	errJSON       = &parseError{"HF1-BAT-01", "not a JSON object"}
	errEscape     = &parseError{"HF1-BAT-02", "wrong escape"}
	errBase64     = &parseError{"HF1-BAT-03", "not strict base64"}
	errNumber     = &parseError{"HF1-BAT-04", "number not in its plain form, or above 2^53-1"}
	errZero       = &parseError{"HF1-BAT-04", "a field that must not be zero or empty"}
	errRange      = &parseError{"HF1-BAT-04", "line numbers out of range"}
	errSize       = &parseError{"HF1-BAT-05", "batch above maxBatch"}
	errReturn     = &parseError{"HF1-BAT-06", "CR inside a line"}
	errUTF8       = &parseError{"HF1-BAT-06", "not UTF-8"}
	errPiece      = &parseError{"HF1-BAT-09", "piece continued by another type"}
	errUnknown    = &parseError{"HF1-BAT-10", "unknown control that must be understood"}
	errControl    = &parseError{"HF1-BAT-11", "control line above 8 KiB"}
	errDepth      = &parseError{"HF1-BAT-11", "JSON nested too deep"}
	errDuplicate  = &parseError{"HF1-BAT-11", "field given twice"}
	errType       = &parseError{"HF1-BAT-11", "field of the wrong type"}
	errMissing    = &parseError{"HF1-BAT-11", "field missing"}
	errAfterClose = &parseError{"HF1-CLO-01", "log line after close"}
)

// RuleOf is what may be told of an error as the reason of an end: which rule was broken, in at most
// 128 bytes (HF1-CLO-01).
func RuleOf(err error) string {
	var p *ProtocolError
	if errors.As(err, &p) {
		return Shorten(p.Detail, MaxReason)
	}
	return ""
}

// CodeOf is the close code for a broken rule.
func CodeOf(err error) transport.Code {
	var p *ProtocolError
	if errors.As(err, &p) {
		return p.Code
	}
	return transport.CodeFault
}

// MaxReason bounds the reason of a close, in bytes (HF1-CLO-01).
const MaxReason = 128

// Shorten cuts text to at most n bytes of valid UTF-8.
func Shorten(text string, n int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
