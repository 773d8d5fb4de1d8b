package middlebox

import "slices"

// What the argument of a mode is.
const (
	takesTime       = "a time"
	takesSize       = "a size"
	takesStatus     = "a status"
	takesCount      = "a count"
	takesTimeOrSize = "a time or a size"
	takesDirection  = "up, down or both, and /time"
	takesCut        = "connection/up|down/byte"
	takesWords      = "words"
)

// Description describes a mode.
type Description struct {
	Name    string
	Fault   string // the failure modes that it causes, F01 … F25
	On      Kind   // the exchanges that it concerns unless the text says otherwise
	Takes   string // what its argument is; "" if it has none
	Default string // the argument where none is given
	AliasOf string // the mode that this is another name of
	Does    string
}

// List describes every mode.
func List() []Description { return slices.Clone(descriptions) }

func named(name string) (Description, bool) {
	i := slices.IndexFunc(descriptions, func(d Description) bool { return d.Name == name })
	if i < 0 {
		return Description{}, false
	}
	return descriptions[i], true
}

var descriptions = []Description{
	{"refuse", "F01 F24", All, takesStatus, "503", "", "answers with the status"},
	{"refuse-upgrade", "F01", WS, takesStatus, "400", "refuse", "answers upgrades with the status"},
	{"strip-upgrade", "F01 F18", WS, "", "", "", "passes the request on without Upgrade and Connection"},
	{"black-hole", "F02", All, "", "", "", "takes the request and never answers"},
	{"black-hole-upgrade", "F02", WS, "", "", "black-hole", "takes the upgrade and never answers"},
	{"mute", "F03", WS, "", "", "", "passes the 101, and no byte after it"},
	{
		"kill", "F04", All, takesTimeOrSize, "200ms", "",
		"resets the connection that long after the answer's head, or after that many bytes down",
	},
	{"kill-ws", "F04", WS, takesTimeOrSize, "200ms", "kill", "the same, for WebSockets"},
	{"end", "F04", All, takesTimeOrSize, "200ms", "", "as kill, with an orderly end of the connection"},
	{"swallow", "F05", WS, takesCount, "1", "", "loses the first n frames of the server"},
	{"swallow-glued", "F06", WS, "", "", "", "loses what the client sends before it has the 101"},
	{
		"buffer", "F08 F09", HTTP, takesSize, "close", "",
		"holds an answer's body until it ends, or until it has so many bytes",
	},
	{"one-behind", "F10", WS | Stream, "", "", "", "holds each event or frame until the next one comes"},
	{
		"sse-accept", "F11", Stream | Other, takesTime, "20s", "",
		"delays the answer to a request without Accept: text/event-stream",
	},
	{"idle", "F12", All, takesTime, "5s", "", "cuts what is silent in both directions for so long"},
	{"life", "F13", WS | Stream, takesTime, "15s", "", "cuts at that age, traffic or not"},
	{
		"half-open", "F14", WS | Stream, takesDirection, "down/0s", "",
		"passes nothing in that direction any more, and closes nothing, after the time",
	},
	{
		"gateway-timeout", "F15", HTTP, takesTime, "3s", "",
		"answers 504 when the server has not begun to answer by then",
	},
	{
		"cache", "F16", HTTP, "", "", "",
		"answers a kind of request with the first whole answer that one had, POST or not",
	},
	{"coalesce", "F16", HTTP, "", "", "", "gives requests of one kind that wait at the same time one answer"},
	{
		"duplicate", "F17", HTTP, "", "", "",
		"sends the request twice at the same time; the client has one of the answers",
	},
	{"retry", "F17", HTTP, "", "", "", "loses the first answer and sends the request again"},
	{"late-copy", "F17", HTTP, takesTime, "2s", "", "sends a copy of the request that much later"},
	{
		"reorder", "F17", Up, takesTime, "200ms", "",
		"holds every other request until the next has passed, or for so long",
	},
	{"captive", "F19", All, takesStatus, "200", "", "a portal answers: 200 with a page, 302 or 511"},
	{"http10", "F20", HTTP, "", "", "", "speaks HTTP/1.0 both ways"},
	{"connections", "F21", All, takesCount, "6", "", "serves so many connections at a time; others wait"},
	{
		"freeze", "F22 F23", All, takesDirection, "both/1s", "",
		"stops everything, in that direction, after the time; nothing is lost and nothing closed",
	},
	{"limit-head", "F24", All, takesSize, "8KiB", "", "answers 431 to a longer request line and header"},
	{"limit-body", "F24", HTTP, takesSize, "1KiB", "", "answers 413 to a larger body"},
	{"limit-frame", "F24", WS, takesSize, "1KiB", "", "closes with 1009 at a larger frame of the client"},
	{"truncate", "F25", HTTP, takesSize, "1", "", "leaves out an answer's last bytes and ends it as if it were whole"},
	{"delay", "", All, takesTime, "100ms", "", "brings everything that much later, each way"},
	{"strip", "F01", All, takesWords, "", "", "removes the header from requests"},
	{"strip-reply", "F09", All, takesWords, "", "", "removes the header from answers"},
	{"add", "", All, takesWords, "", "", "sets name=value in requests"},
	{"add-reply", "", All, takesWords, "", "", "sets name=value in answers"},
	{"rewrite-host", "", All, "", "", "", "sends the target's Host instead of the client's, as nginx does"},
	{
		"tcp", "", All, "", "", "",
		"relays bytes and reads no HTTP; only cut, kill, end, idle, life, half-open, freeze, delay and connections " +
			"work",
	},
	{"cut", "", All, takesCut, "", "", "resets connection n, counted from 1, before that byte"},
}
