package session

// lineKind tells the three kinds of line of a batch.
type lineKind uint8

const (
	lineText lineKind = iota
	lineBinary
	lineControl
)

// maxLine bounds a log line that is sent, in bytes of its text form with "+", type letter and LF (HF1-BAT-08).
const maxLine = 1536

// line is one line of a parsed batch. Its body may alias the batch and the scratch of its packet.
type line struct {
	kind lineKind
	more bool   // a piece, continued by the next log line
	must bool   // "!": a control that must be understood
	name string // of a control that is known by that sign and name; "" for one that is ignored (HF1-BAT-10)
	body []byte // text: unescaped; binary: decoded; control: its JSON object, nil without one
}

// isLog tells whether the line takes a number: text, binary and !close do.
func (l *line) isLog() bool { return l.kind != lineControl || l.name == nameClose }
