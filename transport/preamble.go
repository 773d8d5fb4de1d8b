package transport

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

const (
	magic = "holdfast/1"

	minNonce, maxNonce = 16, 64

	// maxPreamble is the longest first line: a BOM, the magic, the kind, the nonce, CR LF.
	maxPreamble = 3 + len(magic) + len(" stream ") + maxNonce + 2
	// bodyOverhead is what a body may have in addition to its batch: the preamble and the end line.
	bodyOverhead = maxPreamble + len(".\r\n")
)

// NoNonce stands in the preamble of an event stream that was opened by ticket without a nonce
// (HF1-HTTP-01).
const NoNonce = "-"

// Preamble is the first line of an HTTP body or of an event stream (HF1-HTTP-01). The nonce is
// drawn by the client for each request and repeated by the reply, so that the client notices when a
// cache or a proxy returns the answer to another request.
type Preamble struct {
	Kind  Kind
	Nonce string
}

// NewNonce draws a nonce of 128 random bits, 22 characters.
func NewNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ValidNonce reports whether s is 16 to 64 characters of A-Z a-z 0-9 - _.
func ValidNonce(s string) bool { return validNonce(s) }

func validNonce[T string | []byte](s T) bool {
	if len(s) < minNonce || len(s) > maxNonce {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// AppendTo appends the line, LF included.
func (p Preamble) AppendTo(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, ' ')
	b = append(b, p.Kind...)
	b = append(b, ' ')
	b = append(b, p.Nonce...)
	return append(b, '\n')
}

// parsePreamble reads the line without its LF.
func parsePreamble(line []byte) (Preamble, error) {
	rest, ok := bytes.CutPrefix(line, []byte(magic+" "))
	if !ok {
		return Preamble{}, fmt.Errorf("%w: no preamble", ErrGarbled)
	}
	word, nonce, ok := bytes.Cut(rest, []byte{' '})
	kind := wireKind(word)
	if !ok || kind == "" {
		return Preamble{}, fmt.Errorf("%w: kind not known", ErrGarbled)
	}
	if !validNonce(nonce) {
		return Preamble{}, fmt.Errorf("%w: bad nonce", ErrGarbled)
	}
	return Preamble{Kind: kind, Nonce: string(nonce)}, nil
}

// wireKind returns the kind without allocating, or "".
func wireKind(word []byte) Kind {
	for _, k := range [...]Kind{KindPoll, KindUp, KindOpen, KindStream} {
		if string(word) == string(k) {
			return k
		}
	}
	return ""
}
