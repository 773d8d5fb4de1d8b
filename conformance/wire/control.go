package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	maxControl = 8 << 10
	maxDepth   = 8
)

var controlName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func parseControl(s string) (l Line, err error) {
	if len(s)+1 > maxControl {
		return l, parseError("HF1-BAT-11", "a control of %d bytes", len(s)+1)
	}
	name, raw, hasJSON := strings.Cut(s[1:], " ")
	if !controlName.MatchString(name) {
		return l, parseError("HF1-BAT-01", "not a control's name: %.60q", name)
	}
	l = Line{Kind: Control, Sign: s[0], Name: name}
	if hasJSON {
		if !strings.HasPrefix(raw, "{") || !strings.HasSuffix(raw, "}") || !json.Valid([]byte(raw)) {
			return l, parseError("HF1-BAT-11", "not a JSON object: %.80q", raw)
		}
		l.JSON = json.RawMessage(raw)
	}
	return l, checkControl(l)
}

// controls lists the fields of each control: n a number, s a string, N a list of numbers, S a list
// of strings, o an object, U a selection, M limits, b true, * anything. A field with ? may be
// absent.
var controls = map[string]string{
	"!open":   "v:N x:S? key:s run:s? att:n u:n? recv:n lim:o auth:*? meta:*?",
	"!poll":   "key:s run:s att:n p:n recv:n hold:n?",
	"!up":     "key:s run:s att:n",
	"!use":    "u:n att:n challenge:s recv:n",
	"!opened": "v:n x:S? id:s run:s node:s att:n recv:n sel:U lim:M win:n ping:n hold:n ttl:n challenge:s",
	"!reply":  "recv:n sent:n sel:U", "!refused": "reason:s retry:n? v:N?", "!detach": "code:n gone:b?",
	"!rewind": "recv:n",
	"!ping":   "i:n", "!pong": "i:n", "!ticket": "att:n? u:n? recv:n? ticket:s? ttl:n?",
	"!close": "code:n reason:s", "!closed": "code:n reason:s recv:n ack:n",
	"?beacon": "i:n", "?move": "",
}

func checkControl(l Line) error {
	if err := checkJSON(l); err != nil {
		return err
	}
	spec, known := controls[string(l.Sign)+l.Name]
	if !known {
		if l.Sign == '!' {
			return parseError("HF1-BAT-10", "the control !%s, which this version does not know", l.Name)
		}
		return nil
	}
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal(l.JSON, &fields)
	for _, f := range strings.Fields(spec) {
		name, kind, _ := strings.Cut(f, ":")
		kind, optional := strings.CutSuffix(kind, "?")
		v, there := fields[name]
		switch {
		case !there && !optional:
			return parseError("HF1-BAT-11", "%s without %s", l, name)
		case there && !fieldIs(kind, v):
			return parseError("HF1-BAT-11", "%s: %s is %s", l, name, v)
		}
	}
	if l.Is("!ticket") && (fields["ticket"] == nil || fields["ttl"] == nil) &&
		(fields["att"] == nil || fields["recv"] == nil) {
		return parseError("HF1-BAT-11", "%s neither asks for a ticket nor gives one", l)
	}
	if l.Is("!close") {
		if c := l.Number("code"); c < 4100 || c > 4399 || len(l.Text("reason")) > 128 {
			return parseError("HF1-CLO-01", "%s: the code is 4100 … 4399 and the reason at most 128 bytes", l)
		}
	}
	return nil
}

func fieldIs(kind string, v json.RawMessage) bool {
	switch kind {
	case "n":
		_, err := ParseNumber(string(v))
		return err == nil
	case "s":
		return v[0] == '"'
	case "o":
		return v[0] == '{'
	case "b":
		return string(v) == "true"
	case "U":
		return hasNumbers(v, "u", "att")
	case "M":
		return hasNumbers(v, "maxBatch", "maxMessage")
	case "N":
		var list []uint64
		return json.Unmarshal(v, &list) == nil && list != nil
	case "S":
		var list []string
		return json.Unmarshal(v, &list) == nil && list != nil
	}
	return true
}

func hasNumbers(v json.RawMessage, names ...string) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(v, &fields) != nil {
		return false
	}
	for _, name := range names {
		if f, there := fields[name]; !there || !fieldIs("n", f) {
			return false
		}
	}
	return true
}

// checkJSON looks for fields that are given twice, and for too much depth. The syntax was checked
// before.
func checkJSON(l Line) error {
	d := json.NewDecoder(bytes.NewReader(l.JSON))
	type level struct {
		object bool
		key    bool // the next string is a key
		names  []string
	}
	var open []level
	for {
		t, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // it is the end: the JSON is valid
		}
		top := len(open) - 1
		switch v := t.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				open = open[:top]
				break
			}
			if len(open) == maxDepth {
				return parseError("HF1-BAT-11", "JSON that nests above %d deep: %s", maxDepth, l)
			}
			if top >= 0 {
				open[top].key = open[top].object
			}
			open = append(open, level{object: v == '{', key: v == '{'})
			continue
		case string:
			if top >= 0 && open[top].object && open[top].key {
				if slices.Contains(open[top].names, v) {
					return parseError("HF1-BAT-11", "the field %q twice: %s", v, l)
				}
				open[top].names = append(open[top].names, v)
				open[top].key = false
				continue
			}
		}
		if n := len(open); n > 0 {
			open[n-1].key = open[n-1].object
		}
	}
}

// Head writes a head line.
func Head(first, ack uint64) string { return fmt.Sprintf("@%d %d\n", first, ack) }

// Escape writes a text payload in the form that it has in a line.
func Escape(s string) string {
	return strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`).Replace(s)
}

// JSON writes a control line. Fields is anything that json.Marshal takes, nil for none.
func JSON(name string, fields any) string {
	if fields == nil {
		return name + "\n"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		panic("conformance: " + err.Error()) // the fields are the suite's own
	}
	return name + " " + b.String()
}
