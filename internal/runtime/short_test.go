package runtime

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// TestShortReads: the guest makes a row of every read, so that rows count reads.
func TestShortReads(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	rows := func(short wire.Reads, parts []Part) int64 {
		j := r.request("lines", make([]byte, 300))
		j.ShortReads, j.Parts = short, parts
		res := r.decode(j)
		if res.Status != Done || res.BytesRead != 300 {
			t.Errorf("%+v: %+v", short, res)
		}
		return res.Rows
	}
	if n := rows(wire.Reads{}, nil); n != 1 {
		t.Errorf("whole reads: %d", n)
	}
	if n := rows(wire.Reads{Most: 1}, nil); n != 300 {
		t.Errorf("reads of one byte: %d", n)
	}
	if n := rows(wire.Reads{Most: 7}, []Part{{Name: "one", Size: 300}}); n != 43 {
		t.Errorf("reads of seven bytes, in a part: %d", n)
	}
	random := rows(wire.Reads{Most: 7, Seed: 1}, nil)
	if random <= 43 || random >= 300 || random != rows(wire.Reads{Most: 7, Seed: 1}, nil) {
		t.Errorf("random reads: %d, or not the same twice", random)
	}
	if other := rows(wire.Reads{Most: 7, Seed: 2}, nil); other == random {
		t.Logf("two seeds gave %d reads each", other)
	}
}
