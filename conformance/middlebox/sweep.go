package middlebox

import "fmt"

// Cut is a place where a connection is cut: connection number n, counted from 1, after so many
// bytes in one direction.
type Cut struct {
	Conn int
	Up   bool
	Byte int64
}

func (c Cut) String() string {
	direction := "down"
	if c.Up {
		direction = "up"
	}
	return fmt.Sprintf("cut:%d/%s/%d", c.Conn, direction, c.Byte)
}

// Sweep runs a procedure once without a cut and counts the bytes of its connections. Then it runs
// it once for every step-th byte of each connection in each direction, and cuts there. Each run has
// its own box, in mode tcp and the given modes. run must make its connections in the same order
// each time; it returns an error when something breaks that a cut must not break. The sweep stops
// at the first error, which names the cut. It returns the number of cuts. step is at least 1; shift
// moves the first cut, so that several sweeps with a large step reach other bytes.
func Sweep(target string, step, shift int64, run func(b *Box) error, modes ...Mode) (int, error) {
	counts, err := runOnce(target, nil, run, modes)
	if err != nil {
		return 0, fmt.Errorf("undisturbed: %w", err)
	}
	n := 0
	for i, c := range counts {
		for _, up := range []bool{true, false} {
			limit := c.Down
			if up {
				limit = c.Up
			}
			for at := shift % step; at < limit; at += step {
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
