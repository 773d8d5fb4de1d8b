package wire

// fieldType is what the value of a control's field must be.
type fieldType uint8

const (
	typeNumber fieldType = iota // of the wire: 0 … 2^53-1 in plain form (HF1-BAT-04)
	typeText                    // a string
	typeBool
	typeNumbers // an array of numbers
	typeTexts   // an array of strings
	typeObject  // with fields of its own
	typeAny     // any JSON
)

// fieldNeed says when a field must be there.
type fieldNeed uint8

const (
	always fieldNeed = iota
	never            // it may be there
	asking           // of a control with two forms: all of these …
	giving           // … or all of these
)

type field struct {
	name   string
	typ    fieldType
	need   fieldNeed
	filled bool    // a number is at least 1, a text not empty (HF1-BAT-04)
	fields []field // of an object
}

// control is what docs/protocol.md says of one control. Its sign belongs to its name: "?ping" is
// not "!ping".
type control struct {
	name   string
	must   bool
	fields []field // in the order of the fields of its struct
}

var selFields = []field{{name: "u"}, {name: "att"}}

// controls holds every control of this version, the frequent ones first.
var controls = []control{
	{namePing, true, []field{{name: "i"}}},
	{namePong, true, []field{{name: "i"}}},
	{nameReply, true, []field{{name: "recv"}, {name: "sent"}, {name: "sel", typ: typeObject, fields: selFields}}},
	{namePoll, true, []field{
		{name: "key", typ: typeText},
		{name: "run", typ: typeText, filled: true},
		{name: "att", filled: true},
		{name: "p", filled: true},
		{name: "recv"},
		{name: "hold", need: never},
	}},
	{nameUp, true, []field{
		{name: "key", typ: typeText}, {name: "run", typ: typeText, filled: true}, {name: "att", filled: true},
	}},
	{nameOpen, true, []field{
		{name: "v", typ: typeNumbers},
		{name: "x", typ: typeTexts, need: never},
		{name: "key", typ: typeText},
		{name: "run", typ: typeText, need: never, filled: true},
		{name: "att", filled: true},
		{name: "u", need: never, filled: true},
		{name: "recv"},
		{name: "lim", typ: typeObject, fields: []field{{name: "maxBatch", need: never}}},
		{name: "auth", typ: typeAny, need: never},
		{name: "meta", typ: typeAny, need: never},
	}},
	{nameOpened, true, []field{
		{name: "v"},
		{name: "x", typ: typeTexts, need: never},
		{name: "id", typ: typeText},
		{name: "run", typ: typeText},
		{name: "node", typ: typeText},
		{name: "att"},
		{name: "recv"},
		{name: "sel", typ: typeObject, fields: selFields},
		{name: "lim", typ: typeObject, fields: []field{{name: "maxBatch"}, {name: "maxMessage"}}},
		{name: "win"},
		{name: "ping"},
		{name: "hold"},
		{name: "ttl"},
		{name: "challenge", typ: typeText},
	}},
	{nameRefused, true, []field{
		{name: "reason", typ: typeText}, {name: "v", typ: typeNumbers, need: never}, {name: "retry", need: never},
	}},
	{nameUse, true, []field{
		{name: "u", filled: true}, {name: "att", filled: true}, {name: "challenge", typ: typeText}, {name: "recv"},
	}},
	{nameDetach, true, []field{{name: "code"}, {name: "gone", typ: typeBool, need: never}}},
	{nameRewind, true, []field{{name: "recv"}}},
	{nameClose, true, []field{{name: "code"}, {name: "reason", typ: typeText}}},
	{nameClosed, true, []field{{name: "code"}, {name: "reason", typ: typeText}, {name: "recv"}, {name: "ack"}}},
	{nameTicket, true, []field{
		{name: "att", need: asking, filled: true},
		{name: "u", need: never, filled: true},
		{name: "recv", need: asking},
		{name: "ticket", typ: typeText, need: giving},
		{name: "ttl", need: giving},
	}},
	{nameBeacon, false, []field{{name: "i"}}},
	{nameMove, false, nil},
}

// controlOf finds a control by sign and name; nil if it is none of this version's.
func controlOf(must bool, name []byte) *control {
	for i := range controls {
		if c := &controls[i]; c.must == must && c.name == string(name) {
			return c
		}
	}
	return nil
}

// fieldOf finds a field by name; -1 if the document does not name it.
func fieldOf(fields []field, name []byte) int {
	for i := range fields {
		if fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// complete tells whether the fields that were seen, a bit each, are all that must be there.
func complete(fields []field, seen uint32) bool {
	var missing [giving + 1]bool
	forms := false
	for i, f := range fields {
		forms = forms || f.need == asking
		if seen&(1<<i) == 0 {
			missing[f.need] = true
		}
	}
	return !missing[always] && (!forms || !missing[asking] || !missing[giving])
}
