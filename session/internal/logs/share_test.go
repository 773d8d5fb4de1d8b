package logs

import (
	"testing"

	"github.com/holdfast-rt/holdfast/session/internal/wire"
)

type countingKeeper struct{ holders int }

func (k *countingKeeper) Keep()    { k.holders++ }
func (k *countingKeeper) Release() { k.holders-- }

// A shared message counts for the window of each log, but for the private bytes of none. Each log
// releases it when its last line is freed.
func TestSharedMessage(t *testing.T) {
	var k countingKeeper
	e := Encode(wire.BinaryLine, make([]byte, 3000)) // three lines
	e.ShareWith(&k)
	own := Encode(wire.TextLine, []byte("mine"))
	var logs [2]SendLog
	for i := range logs {
		logs[i].Append(&own)
		if n := logs[i].Append(&e); n != 4 {
			t.Fatalf("the last line is %d, want 4", n)
		}
		if got, want := logs[i].Bytes(), own.Cost()+e.Cost(); got != want {
			t.Errorf("%d window bytes, want %d", got, want)
		}
		if got := logs[i].Memory(); got < own.Memory() || got >= e.Memory() {
			t.Errorf("%d bytes of memory, want those of its own message, %d, and its entries", got, own.Memory())
		}
	}
	if k.holders != 2 {
		t.Errorf("%d logs hold the message, want 2", k.holders)
	}
	logs[0].Acknowledge(3)
	if k.holders != 2 || logs[0].Memory() >= own.Memory()+5*entrySize {
		t.Errorf("after an ack of a part: %d logs hold the message, %d private bytes; want 2 and 0",
			k.holders, logs[0].Memory())
	}
	logs[0].Acknowledge(4)
	logs[1].Discard()
	if k.holders != 0 || logs[1].Memory() != 0 || logs[1].Bytes() != 0 || logs[1].Last() != 4 {
		t.Errorf("in the end %d logs hold the message, and one log is %+v", k.holders, logs[1])
	}
}
