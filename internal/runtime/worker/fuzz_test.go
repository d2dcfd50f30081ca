package worker

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/internal/zone"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// fuzzSchema makes a schema of bytes: one column each, its type in the low five bits, its attributes in the others.
func fuzzSchema(b []byte) *table.Schema {
	s := &table.Schema{Name: "all"}
	for i, x := range b[:min(len(b), 12)] {
		c := table.Column{
			Name: "c" + strconv.Itoa(i), Type: table.Bool + table.Type(x&31)%(table.Enum16-table.Bool+1),
			Nullable: x&32 != 0, Sensitive: x&64 != 0,
		}
		switch c.Type { //nolint:exhaustive // the others have no attributes
		case table.TSus, table.TSns:
			c.Naive = x&128 != 0
		case table.Dec32, table.Dec64:
			c.Scale = int(x>>7) * 3
		case table.Enum8, table.Enum16:
			c.Labels = []string{"x", "y"}
		}
		s.Columns = append(s.Columns, c)
	}
	return s
}

// fuzzSeed is a memory with one batch of one row in six columns, and their types.
func fuzzSeed() (mem, types []byte) {
	mem = make([]byte, 512)
	copy(mem, runtimetest.Words(1, 6, 0, 0, 256, 0, 0, 1, 256, 0, 0, 8, 256, 256, 300, 2, 256, 0, 0, 4, 256, 0, 300, 2, 256, 0, 0, 1))
	binary.LittleEndian.PutUint32(mem[304:], 2)
	column := func(t table.Type, attributes byte) byte { return byte(t-table.Bool) | attributes }
	return mem, []byte{
		column(table.Bool, 32), column(table.I64, 0), column(table.UTF8, 32), column(table.Dec32, 128), column(table.Bin, 0), column(table.Enum8, 0),
	}
}

// FuzzEmit gives batches with any descriptor in any memory to tables of any columns: each is taken, and is then encoded
// in every form without an error, or ends the instance with a verdict. What the guest does to its memory after emit
// changes nothing.
func FuzzEmit(f *testing.F) {
	mem, types := fuzzSeed()
	for form := range table.Formats() {
		f.Add(mem, uint32(0), types, byte(form))
	}
	f.Add(mem, uint32(0), types, byte(1|128|64|32))
	f.Add(mem, uint32(0xfffffff0), types, byte(0))
	var wide []byte
	for t := table.Bool; t <= table.Enum16; t++ {
		wide = append(wide, byte(t-table.Bool)|byte(t%8)<<5)
	}
	row := make([]byte, 1024)
	copy(row, runtimetest.Words(7, 12, 0, 0))
	for i, t := range wide[:12] {
		n := 8 * (table.Bool + table.Type(t&31)).Width()
		copy(row[16+16*i:], runtimetest.Words(512, 0, 0, uint32(n*7/8)))
	}
	f.Add(row, uint32(0), wide, byte(0))
	f.Add(row, uint32(0), wide[7:], byte(2|128))
	berlin, err := zone.Load("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	page, file, err := wire.NewPage()
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	f.Fuzz(func(t *testing.T, mem []byte, desc uint32, types []byte, how byte) {
		s := fuzzSchema(types)
		if s.Validate() != nil {
			return
		}
		first := emitted(t, page, s, mem, desc, how, berlin, false)
		if again := emitted(t, page, s, mem, desc, how, berlin, true); first != again {
			t.Fatalf("what the guest does after emit changed what was written: %q became %q", first, again)
		}
	})
}

// emitted emits one batch and gives what was written of it, "" where it was refused. spoil clears the guest's memory
// when emit has returned.
func emitted(t *testing.T, page *wire.Page, s *table.Schema, mem []byte, desc uint32, how byte, loc *time.Location, spoil bool) string {
	t.Helper()
	mem = append([]byte(nil), mem...)
	forms := table.Formats()
	out := newKept([]*table.Schema{s}, 1<<30)
	c := newCall(modeDecode)
	c.page = page
	c.out = newOutput(&wire.Decode{
		Output: 1 << 40, Issues: 10, Form: forms[int(how&15)%len(forms)], Reveal: how&32 != 0,
		Options: table.EncodeOptions{Int64AsString: how&64 != 0, BOM: how&64 != 0, ExcelSafe: how&64 != 0},
	}, []*table.Schema{s}, out, page, &pools{})
	if how&128 != 0 {
		c.out.zone = loc
	}
	ended := outside(func() { c.emit(mem, c.out.tables[0], desc) })
	if ended && (c.end == nil || c.end.Code != errcode.ABIViolation) {
		t.Fatalf("ended with %+v", c.end)
	}
	if spoil {
		clear(mem)
	}
	go c.out.encode() // ends with finish
	counts := c.out.finish()
	if f := c.out.fault.Load(); f != nil {
		t.Fatalf("a batch that was accepted cannot be written: %s", f.Message)
	}
	if ended != (len(counts) == 0) && len(out.files) > 0 {
		t.Fatalf("ended %v with %+v", ended, counts)
	}
	return string(out.rows(0))
}

// FuzzIssue gives issues, log lines, codes and tables of any memory: the text that is kept is valid and bounded.
func FuzzIssue(f *testing.F) {
	f.Add([]byte("a_code and a text\xff"), uint32(0), uint32(6), uint32(7), uint32(11), uint32(1), int64(5))
	f.Add([]byte(`{"name":"t","columns":[{"name":"a","type":"i64"}]}`), uint32(0), uint32(50), uint32(0), uint32(50), uint32(3), int64(-1))
	page, file, err := wire.NewPage()
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	f.Fuzz(func(t *testing.T, mem []byte, codeAt, codeLen, textAt, textLen, severity uint32, off int64) {
		out := newKept(nil, 1<<30)
		c := newCall(modeDecode)
		c.page, c.logLeft = page, 1000
		c.log = func(_ int, text string) {
			if len(text) > maxMessage {
				t.Fatalf("a log line of %d bytes", len(text))
			}
		}
		c.out = newOutput(&wire.Decode{Output: 1 << 40, Issues: 2, Form: table.NDJSON}, nil, out, page, &pools{})
		stack := func(v ...uint32) []uint64 {
			s := make([]uint64, 6)
			for i, x := range v {
				s[i] = uint64(x)
			}
			return s
		}
		for range 3 {
			outside(func() {
				hostIssue(c, mem, []uint64{uint64(severity), uint64(off), uint64(codeAt), uint64(codeLen), uint64(textAt), uint64(textLen)})
			})
		}
		outside(func() { hostFail(c, mem, stack(codeAt, codeLen, textAt, textLen)) })
		outside(func() { hostLog(c, mem, stack(severity, textAt, textLen)) })
		outside(func() { hostTable(c, mem, stack(textAt, textLen)) })
		outside(func() { hostParam(c, mem, stack(codeAt, codeLen, textAt, textLen)) })
		if c.end != nil && c.end.Code != errcode.ABIViolation {
			t.Fatalf("ended with %+v", c.end)
		}
		go c.out.encode() // ends with finish
		c.out.finish()
		if f := c.out.fault.Load(); f != nil {
			t.Fatalf("the issues cannot be written: %s", f.Message)
		}
		for i := range c.out.tables {
			if s := c.out.tables[i].schema; s.Validate() != nil || s.Name == abi.ReservedTable {
				t.Fatalf("table %+v was taken", s)
			}
		}
	})
}
