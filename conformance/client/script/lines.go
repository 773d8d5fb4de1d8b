package script

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/holdfast-rt/holdfast/conformance/wire"
)

// piece is how many bytes of payload a line may hold, so that it stays within 1,536 bytes even if
// all are escaped.
const piece = 700

// Lines writes a message as log lines, in pieces if it is long.
func Lines(data string, binary bool) []string {
	var out []string
	for {
		n := min(len(data), piece)
		for !binary && n < len(data) && !utf8.RuneStart(data[n]) {
			n--
		}
		line := "t" + wire.Escape(data[:n])
		if binary {
			line = "b" + base64.StdEncoding.EncodeToString([]byte(data[:n]))
		}
		if data = data[n:]; data == "" {
			return append(out, line)
		}
		out = append(out, "+"+line)
	}
}
