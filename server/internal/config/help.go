package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteHelp prints the settings for -help.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`Usage: holdfast [flags]
       holdfast doctor URL   (tells what the network on the way to a server does; -help tells more)

Serves sessions over WebSocket, server-sent events and long polling.

`)
	width := 0
	for _, s := range settings() {
		width = max(width, len(s.name)+len(s.arg))
	}
	for _, s := range settings() {
		fmt.Fprintf(&b, "  -%-*s  %s", width+1, s.name+" "+s.arg, s.usage)
		if s.def != "" {
			fmt.Fprintf(&b, " (%s)", s.def)
		}
		b.WriteByte('\n')
	}
	b.WriteString(`
Each may also be set by a variable, -log-level by HOLDFAST_LOG_LEVEL, or in the file, as {"log-level": "debug"}.
A flag wins over a variable, and that over the file. A list has commas between its values, or is an array in the file.
`)
	_, err := io.WriteString(w, b.String())
	return err
}
