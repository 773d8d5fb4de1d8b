package wire

import "bytes"

const (
	maxControl = 8 << 10 // bytes of a control line, sign and LF counted (HF1-BAT-11)
	maxName    = 32
)

// parseControlLine reads a control line without its LF, sign first. The JSON of a known control is
// checked field by field here, so that a batch with a wrong control is discarded before any of it
// is applied (HF1-BAT-01).
func parseControlLine(l *Line, raw []byte) *parseError {
	if len(raw)+1 > maxControl {
		return errControl
	}
	l.Must = raw[0] == '!'
	name, body, hasBody := bytes.Cut(raw[1:], space)
	if !isName(name) {
		return errName
	}
	var fields []field
	if c := controlOf(l.Must, name); c != nil {
		l.Name, fields = c.name, c.fields
	} else if l.Must {
		return errUnknown // HF1-BAT-10
	}
	if !hasBody {
		if !complete(fields, 0) {
			return errMissing
		}
		return nil
	}
	l.Body = body
	return scanObject(body, fields, nil)
}

func isName(b []byte) bool {
	if len(b) == 0 || len(b) > maxName || !isLower(b[0]) {
		return false
	}
	for _, c := range b {
		if !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}
