package cases

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// digest is what the application "sink" computes.
type digest struct {
	count int
	sum   hash.Hash
}

func newDigest() *digest { return &digest{sum: sha256.New()} }

func (d *digest) add(kind, payload string) {
	d.count++
	fmt.Fprintf(d.sum, "%s%d:%s", kind, len(payload), payload)
}

func (d *digest) String() string {
	return fmt.Sprintf("%d %s", d.count, hex.EncodeToString(d.sum.Sum(nil)))
}
