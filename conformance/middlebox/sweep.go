package middlebox

import "fmt"

// Cut is a place where a connection is cut: the n-th connection, counted from 1, after so many bytes in one direction.
type Cut struct {
	Conn int
	Up   bool
	Byte int64
}

func (c Cut) String() string {
	way := "down"
	if c.Up {
		way = "up"
	}
	return fmt.Sprintf("cut:%d/%s/%d", c.Conn, way, c.Byte)
}

// Sweep runs a procedure once undisturbed and counts the bytes of its connections; then once for every step-th byte of each connection
// in each direction, cut there. Every run has a box of its own, in mode tcp, and modes besides. run makes the connections in the same order each
// time, and returns an error when what must hold despite the cut does not hold; the sweep ends with the first, told with its cut. It
// returns the number of cuts. step is at least 1; shift moves the first cut, so that several sweeps with a large step reach other bytes.
func Sweep(target string, step, shift int64, run func(b *Box) error, modes ...Mode) (int, error) {
	counts, err := runOnce(target, nil, run, modes)
	if err != nil {
		return 0, fmt.Errorf("undisturbed: %w", err)
	}
	n := 0
	for i, c := range counts {
		for _, up := range []bool{true, false} {
			most := c.Down
			if up {
				most = c.Up
			}
			for at := shift % step; at < most; at += step {
				cut := Cut{i + 1, up, at}
				if _, err := runOnce(target, &cut, run, modes); err != nil {
					return n, fmt.Errorf("%s: %w", cut, err)
				}
				n++
			}
		}
	}
	return n, nil
}

func runOnce(target string, cut *Cut, run func(b *Box) error, modes []Mode) ([]Count, error) {
	all := append(MustParse("tcp"), modes...)
	if cut != nil {
		all = append(all, MustParse(cut.String())...)
	}
	b, err := New(target, all...)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := run(b); err != nil {
		return nil, err
	}
	return b.Counts(), nil
}
