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

// testCutAtEveryByte ends one exchange after each of its bytes, in each direction and with each
// kind of fault. What is delivered is complete and in order (HF1-BAT-01), neither side waits for
// ever, and a client that did not get everything does not report a regular end.
func testCutAtEveryByte(t *testing.T, c Config) {
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
			step int64 // a Hole takes long to notice: a sample of the bytes is enough
		}{{Cut, "cut", 1}, {End, "end", 1}, {Hole, "hole", 7}} {
			t.Run(action.name+" "+name, func(t *testing.T) {
				for n := int64(0); n < total[dir]; n += action.step {
					if n > 500 && n < total[dir]-800 && n%16 != 0 {
						continue // the bytes of a stream's padding are all the same
					}
					fault := Fault{Action: action.Action, After: n}
					s := setup{faults: Faults{Up: fault}}
					if dir == 1 {
						s = setup{faults: Faults{Down: fault}}
					}
					synctest.Test(t, func(t *testing.T) {
						if err := check(c.run(s, up, down), up, down); err != nil {
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

// check returns what is wrong with an exchange over a connection that failed.
func check(o outcome, up, down []transport.Batch) error {
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
