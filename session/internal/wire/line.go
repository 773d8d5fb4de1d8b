package wire

// Kind tells the three kinds of line of a batch.
type Kind uint8

const (
	// TextLine is a text message, or a piece of one.
	TextLine Kind = iota
	// BinaryLine is a binary message, or a piece of one.
	BinaryLine
	// ControlLine is a control; !close is one too.
	ControlLine
)

// MaxLine bounds a log line that is sent, in bytes of its text form with "+", type letter and LF
// (HF1-BAT-08).
const MaxLine = 1536

// Line is one line of a parsed batch. Its body may alias the batch and the scratch of its packet.
type Line struct {
	Kind Kind
	More bool   // a piece, continued by the next log line
	Must bool   // "!": a control that must be understood
	Name string // of a control that is known by that sign and name; "" for one that is ignored (HF1-BAT-10)
	Body []byte // text: unescaped; binary: decoded; control: its JSON object, nil without one
}

// IsLog tells whether the line takes a number: text, binary and !close do.
func (l *Line) IsLog() bool { return l.Kind != ControlLine || l.Name == nameClose }
