// Package wiretest reads the wire vectors for the tests of several packages.
package wiretest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// Octets is bytes as session/testdata/README.md writes them.
type Octets []byte

// UnmarshalJSON reads any of the forms.
func (o *Octets) UnmarshalJSON(raw []byte) error {
	*o = Octets{}
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		*o = Octets(s)
		return err
	case '[':
		var parts []Octets
		err := json.Unmarshal(raw, &parts)
		for _, p := range parts {
			*o = append(*o, p...)
		}
		return err
	}
	var v struct {
		Base64 *string
		Repeat Octets
		Times  int
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v.Base64 != nil {
		b, err := base64.StdEncoding.DecodeString(*v.Base64)
		*o = b
		return err
	}
	*o = bytes.Repeat(v.Repeat, v.Times)
	return nil
}
