package middlebox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is what an exchange is, as a set of bits where several are meant.
type Kind int

// Kinds of exchange.
const (
	WS     Kind = 1 << iota // a GET that asks for an upgrade to WebSocket
	Stream                  // an event stream
	Poll                    // a POST of kind poll
	Up                      // a POST of kind up
	Open                    // a POST of kind open
	Other                   // any other request

	HTTP = Stream | Poll | Up | Open | Other
	All  = WS | HTTP
)

var kindNames = map[string]Kind{
	"ws": WS, "stream": Stream, "poll": Poll, "up": Up, "open": Open, "other": Other, "http": HTTP, "all": All,
	"post": Stream | Poll | Up | Open,
}

// Mode is one thing that the box does. [Parse] makes modes from text; List says what each argument
// means.
type Mode struct {
	Name  string        // one of List's
	On    Kind          // the exchanges it concerns
	Times int           // it acts on so many exchanges, the first ones; 0: on all
	After time.Duration // the argument of modes that take a time
	Bytes int64         // of modes that take a size; -1: until the end
	Text  string        // of modes that take words; also a mode's argument as it was written
}

// ErrMode says that a mode is not known, or that its argument is wrong.
var ErrMode = errors.New("middlebox: no such mode")

// Parse reads text such as "kill-ws:200ms,delay@poll#3:1s". Each mode has a name, the kinds of
// exchange that it concerns (`@ws+stream`; without it, the mode's own), how often it acts (`#n`)
// and its argument.
func Parse(text string) ([]Mode, error) {
	var modes []Mode
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		m, err := parseMode(part)
		if err != nil {
			return nil, err
		}
		modes = append(modes, m)
	}
	return modes, nil
}

// MustParse is Parse for modes that are written in a program. It panics when they are wrong.
func MustParse(text string) []Mode {
	modes, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return modes
}

func parseMode(part string) (Mode, error) {
	head, arg, hasArg := strings.Cut(part, ":")
	head, times, counted := strings.Cut(head, "#")
	name, kinds, scoped := strings.Cut(head, "@")
	d, ok := named(name)
	if !ok {
		return Mode{}, fmt.Errorf("%w: %q (try --list)", ErrMode, name)
	}
	m := Mode{Name: name, On: d.On}
	if d.AliasOf != "" {
		m.Name = d.AliasOf
	}
	if scoped {
		m.On = 0
		for k := range strings.SplitSeq(kinds, "+") {
			bit, ok := kindNames[k]
			if !ok {
				return Mode{}, fmt.Errorf("%w: %q is no kind of exchange", ErrMode, k)
			}
			m.On |= bit
		}
	}
	if counted {
		n, err := strconv.Atoi(times)
		if err != nil || n < 1 {
			return Mode{}, fmt.Errorf("%w: %q is no count", ErrMode, times)
		}
		m.Times = n
	}
	if !hasArg {
		arg = d.Default
	}
	return m, m.argument(d, arg)
}

func (m *Mode) argument(d Description, arg string) (err error) {
	m.Text = arg
	switch d.Takes {
	case "":
		if arg != "" {
			return fmt.Errorf("%w: %s takes no argument", ErrMode, d.Name)
		}
	case takesTime:
		m.After, err = time.ParseDuration(arg)
	case takesSize, takesStatus, takesCount:
		m.Bytes, err = parseSize(arg)
	case takesTimeOrSize:
		if m.After, err = time.ParseDuration(arg); err != nil {
			m.Bytes, err = parseSize(arg)
		}
	case takesCut:
		if _, _, _, ok := parseCut(arg); !ok {
			err = errors.New("want CONNECTION/up|down/BYTE")
		}
	case takesDirection:
		direction, after, _ := strings.Cut(arg, "/")
		if direction != "up" && direction != "down" && direction != "both" {
			err = errors.New("want up, down or both, and /time")
		} else if after != "" {
			m.After, err = time.ParseDuration(after)
		}
		m.Text = direction
	default: // words
		if arg == "" {
			err = errors.New("an argument is needed")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s takes %s, not %q: %w", ErrMode, d.Name, d.Takes, arg, err)
	}
	return nil
}

// parseSize reads 512, 512B, 32KiB, 1MiB, or close.
func parseSize(s string) (int64, error) {
	if s == "close" {
		return -1, nil
	}
	unit := int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if t, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = t, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "B"), 10, 40)
	if err != nil || n < 0 {
		return 0, errors.New("want a number of bytes")
	}
	return n * unit, nil
}

func parseCut(s string) (conn int, up bool, at int64, ok bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || (parts[1] != "up" && parts[1] != "down") {
		return 0, false, 0, false
	}
	conn, err := strconv.Atoi(parts[0])
	if err != nil || conn < 1 {
		return 0, false, 0, false
	}
	at, err = strconv.ParseInt(parts[2], 10, 63)
	return conn, parts[1] == "up", at, err == nil && at >= 0
}
