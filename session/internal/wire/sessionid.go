package wire

import (
	"crypto/sha256"
	"encoding/base64"
)

const (
	// KeyBytes is the length of a session's key.
	KeyBytes = 32
	keyChars = 43 // of base64url without padding
	idBytes  = 16
)

var strictBase64URL = base64.RawURLEncoding.Strict()

// SessionID derives a session's public id from its secret key (HF1-WHO-02). It refuses a key that is not
// the canonical base64url of 32 bytes (HF1-WHO-01): two spellings of one key would otherwise be one
// session.
func SessionID(key string) (id string, ok bool) {
	if len(key) != keyChars {
		return "", false
	}
	const prefix = "holdfast/1 id"
	var buf [len(prefix) + KeyBytes + 1]byte // the decoder asks for no more room than 43 characters need
	copy(buf[:], prefix)
	n, err := strictBase64URL.Decode(buf[len(prefix):], []byte(key))
	if err != nil || n != KeyBytes {
		return "", false
	}
	sum := sha256.Sum256(buf[:len(prefix)+n])
	return base64.RawURLEncoding.EncodeToString(sum[:idBytes]), true
}
