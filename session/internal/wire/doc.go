// Package wire is the grammar of holdfast/1 (docs/protocol.md section 2): batches to lines and
// controls, and back. It knows of bytes only. What it accepts and refuses is fixed by the vectors
// in session/testdata.
package wire
