package wire

import (
	"bytes"
	"strings"
)

// Body is the body of a request or a reply.
type Body struct {
	Kind, Nonce string
	Batch       *Batch
}

// ParseBody reads a whole HTTP body, strictly.
func ParseBody(b []byte) (*Body, error) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, parseError("HF1-HTTP-01", "a body without a preamble line: %.60q", b)
	}
	kind, nonce, err := ParsePreamble(string(line))
	if err != nil {
		return nil, err
	}
	batch, ok := bytes.CutSuffix(rest, []byte("\n.\n"))
	if !ok {
		batch, ok = bytes.CutSuffix(rest, []byte("\n."))
	}
	if !ok {
		return nil, parseError("HF1-HTTP-02", "a body without its end line: %.60q", b)
	}
	out := &Body{Kind: kind, Nonce: nonce}
	out.Batch, err = Parse(append(bytes.Clone(batch), '\n'))
	return out, err
}

// ParsePreamble reads a preamble line, without its LF.
func ParsePreamble(s string) (kind, nonce string, err error) {
	f := strings.Split(s, " ")
	if len(f) != 3 || f[0] != "holdfast/1" {
		return "", "", parseError("HF1-HTTP-01", "not a preamble: %.60q", s)
	}
	switch f[1] {
	case "open", "poll", "up", "stream":
	default:
		return "", "", parseError("HF1-HTTP-01", "a preamble of kind %q", f[1])
	}
	if f[2] != "-" && !IsName(f[2], 16, 64) {
		return "", "", parseError("HF1-HTTP-01", "a preamble with the nonce %q", f[2])
	}
	return f[1], f[2], nil
}

// WrapBody writes a body around a batch.
func WrapBody(kind, nonce, batch string) string {
	return "holdfast/1 " + kind + " " + nonce + "\n" + batch + ".\n"
}
