package session

import (
	"errors"
	"fmt"

	"github.com/holdfast-rt/holdfast/transport"
)

// ProtocolError says which rule of docs/protocol.md a peer broke. Detail names the requirement and, for a batch, the line;
// it never holds what the peer sent, so it may be logged and told.
type ProtocolError struct {
	Code   transport.Code // the close code for it, of the 43xx
	Detail string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("session: protocol error %d: %s", e.Code, e.Detail)
}

// breach is a broken rule before it is known on which line. Breaches are constants: refusing costs no allocation until the
// error is told.
type breach struct{ rule, what string }

// at makes the error of a breach on a line of a batch; line 0 is the head.
func (b *breach) at(line int) *ProtocolError {
	return &ProtocolError{Code: transport.CodeMalformed, Detail: fmt.Sprintf("line %d: %s (%s)", line, b.what, b.rule)}
}

func (b *breach) err() *ProtocolError {
	return &ProtocolError{Code: transport.CodeMalformed, Detail: fmt.Sprintf("%s (%s)", b.what, b.rule)}
}

// The ways to break section 2, "Batches".
var (
	errEmpty      = &breach{"HF1-BAT-01", "empty batch"}
	errUnended    = &breach{"HF1-BAT-01", "last line without LF"}
	errHead       = &breach{"HF1-BAT-01", "not a head line"}
	errLine       = &breach{"HF1-BAT-01", "unknown kind of line"}
	errName       = &breach{"HF1-BAT-01", "not the name of a control"}
	errJSON       = &breach{"HF1-BAT-01", "not a JSON object"}
	errEscape     = &breach{"HF1-BAT-02", "wrong escape"}
	errBase64     = &breach{"HF1-BAT-03", "not strict base64"}
	errNumber     = &breach{"HF1-BAT-04", "number not in its plain form, or above 2^53-1"}
	errZero       = &breach{"HF1-BAT-04", "a field that must not be zero or empty"}
	errRange      = &breach{"HF1-BAT-04", "line numbers out of range"}
	errSize       = &breach{"HF1-BAT-05", "batch above maxBatch"}
	errReturn     = &breach{"HF1-BAT-06", "CR inside a line"}
	errUTF8       = &breach{"HF1-BAT-06", "not UTF-8"}
	errPiece      = &breach{"HF1-BAT-09", "piece continued by another type"}
	errUnknown    = &breach{"HF1-BAT-10", "unknown control that must be understood"}
	errControl    = &breach{"HF1-BAT-11", "control line above 8 KiB"}
	errDepth      = &breach{"HF1-BAT-11", "JSON nested too deep"}
	errDuplicate  = &breach{"HF1-BAT-11", "field given twice"}
	errType       = &breach{"HF1-BAT-11", "field of the wrong type"}
	errMissing    = &breach{"HF1-BAT-11", "field missing"}
	errAfterClose = &breach{"HF1-CLO-01", "log line after close"}
)

// ruleOf is what may be told of an error as the reason of an end: which rule was broken, in at most 128 bytes (HF1-CLO-01).
func ruleOf(err error) string {
	var p *ProtocolError
	if errors.As(err, &p) {
		return shorten(p.Detail, maxReason)
	}
	return ""
}
