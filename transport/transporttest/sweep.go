package transporttest

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// testCutAtEveryByte ends one exchange after each of its bytes, in each direction and in each way a
// line can die. Whatever is delivered is whole and in order (HF1-BAT-01), neither side waits for
// ever, and a client that did not get everything does not take the end for a regular one.
func testCutAtEveryByte(t *testing.T, c Carrier) {
	up, down := numbered(some(2, c.Up), "up €"), numbered(some(3, c.Down), "down 😀")
	var total [2]int64
	bubble(t, "whole", func(t *testing.T) {
		o := c.run(setup{}, up, down)
		passes(t, o, up, down)
		total = o.traffic
	})
	for dir, name := range []string{"up", "down"} {
		for _, action := range []struct {
			Action
			name string
			step int64 // a Hole has no edge: some bytes stand for all
		}{{Cut, "cut", 1}, {End, "end", 1}, {Hole, "hole", 7}} {
			t.Run(action.name+" "+name, func(t *testing.T) {
				for n := int64(0); n < total[dir]; n += action.step {
					if n > 500 && n < total[dir]-800 && n%16 != 0 {
						continue // inside a stream's padding one byte is like another
					}
					fault := Fault{Action: action.Action, After: n}
					s := setup{faults: Faults{Up: fault}}
					if dir == 1 {
						s = setup{faults: Faults{Down: fault}}
					}
					synctest.Test(t, func(t *testing.T) {
						if err := sound(c.run(s, up, down), up, down); err != nil {
							t.Errorf("after %d of %d bytes: %v", n, total[dir], err)
						}
					})
					if t.Failed() {
						return
					}
				}
			})
		}
	}
}

// sound tells what is wrong with an exchange over a line that failed.
func sound(o outcome, up, down []transport.Batch) error {
	switch {
	case !isPrefix(o.up, up):
		return fmt.Errorf("server received %v, no prefix of what was sent", o.up)
	case !isPrefix(o.down, down):
		return fmt.Errorf("client received %v, no prefix of what was sent", o.down)
	case o.dialled && !same(o.down, down) && errors.Is(o.downErr, io.EOF):
		return fmt.Errorf("client received %d of %d batches and a regular end", len(o.down), len(down))
	case !same(o.up, up) && len(o.down) > 0:
		return errors.New("client received an answer to what the server had not received")
	case o.took > 90*time.Second:
		return fmt.Errorf("took %v", o.took)
	}
	return nil
}
