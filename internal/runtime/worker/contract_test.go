package worker

import (
	"fmt"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestClockAndRandomNumbersStay pins what a guest sees of time and chance. Golden vectors that authors hashed, cached
// results and the repetition after a kill rely on it: a change here makes another result of the same file.
func TestClockAndRandomNumbersStay(t *testing.T) {
	see := func(seed string) string {
		c := newCall(modeInit)
		c.random.Uint64() // an initialisation that asks for more, or less, changes nothing
		c.clock += clockStep
		h, mem, out := &host{call: c}, make([]byte, 16), ""
		c.start(modeDecode, seed)
		for _, id := range []uint64{0, 1, 2} {
			stack := []uint64{id, 0, 0}
			h.clockTimeGet(mem, stack)
			out += fmt.Sprintf("%x ", mem[:8])
		}
		h.randomGet(mem, []uint64{0, 16})
		return out + fmt.Sprintf("%x", mem)
	}
	const clock = "e897bf30369ae515 d09b357700000000 b89f357700000000 "
	if got := see("a"); got != clock+"959e555e1324dd6de29e2f341e1b62ae" {
		t.Errorf("of one file: %s", got)
	}
	if got := see("b"); got != clock+"d91055ad6ce2ae97bf0166230e9ad484" {
		t.Errorf("of another file: %s", got)
	}
}

// TestBatchOfTooManyRows refuses one row more than a batch may have, and takes as many as it may.
func TestBatchOfTooManyRows(t *testing.T) {
	page, file, err := wire.NewPage()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = file.Close(), page.Close() }()
	s := &table.Schema{Name: "rows", Columns: []table.Column{{Name: "a", Type: table.I8}}}
	for rows, want := range map[int]bool{abi.MaxBatchRows: false, abi.MaxBatchRows + 1: true} {
		mem := make([]byte, 2*abi.MaxBatchRows)
		copy(mem, runtimetest.Words(uint32(rows), 1, 0, 0, 64, 0, 0, uint32(rows)))
		c := newCall(modeDecode)
		c.page = page
		c.out = newOutput(&wire.Decode{Output: 1 << 40, Form: table.NDJSON}, []*table.Schema{s}, newKept([]*table.Schema{s}, 1<<30), page, &pools{})
		go c.out.encode() // ends with finish below
		ended := outside(func() { c.emit(mem, c.out.tables[0], 0) })
		c.out.finish()
		if ended != want || ended && c.end.Code != errcode.ABIViolation {
			t.Errorf("%d rows: ended %v, %+v", rows, ended, c.end)
		}
	}
}
