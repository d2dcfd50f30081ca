package worker

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// tb is what a test and a property of rapid have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
}

// partsCall is a decode of parts as their guest meets it, called without one.
type partsCall struct {
	*call
	mem []byte
}

func newPartsCall(tb tb, page *wire.Page, seek bool, parts ...string) *partsCall {
	tb.Helper()
	f, err := wire.MemFile("input", []byte(strings.Join(parts, "")))
	if err != nil {
		tb.Fatal(err)
	}
	job := &wire.Decode{Issues: 10}
	for i, p := range parts {
		job.Parts = append(job.Parts, wire.Part{Name: strings.Repeat("n", i), Size: int64(len(p)), At: job.Size})
		job.Size += int64(len(p))
	}
	c := newCall(modeDecode)
	if c.in, err = newInput(f, job); err != nil {
		tb.Fatal(err)
	}
	c.page, c.seek = page, seek
	c.out = newOutput(job, nil, nil, page, &pools{})
	return &partsCall{call: c, mem: make([]byte, 256)}
}

func newPage(tb testing.TB) *wire.Page {
	tb.Helper()
	page, file, err := wire.NewPage()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = file.Close(), page.Close() })
	return page
}

func (p *partsCall) ask(f hostFunc, args ...uint64) int64 {
	stack := make([]uint64, len(args)+1)
	copy(stack, args)
	f(p.call, p.mem, stack)
	return int64(stack[0])
}

// i32 is ask for a function that gives an i32.
func (p *partsCall) i32(f hostFunc, args ...uint64) int { return int(int32(p.ask(f, args...))) }

// TestPartsInAnyOrder compares what a guest gets with what the parts hold, whatever it asks for in which order.
func TestPartsInAnyOrder(t *testing.T) {
	page := newPage(t)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringN(0, 40, 60), 1, 5).Draw(t, "parts")
		c := newPartsCall(t, page, true, parts...)
		defer c.in.file.Close()
		page.Begin()
		open, pos, total := 0, 0, int64(len(strings.Join(parts, "")))
		size := func() int { return min(rapid.IntRange(0, 50).Draw(t, "bytes"), len(c.mem)) }
		for range 30 {
			before := page.State()
			read := 0
			switch rapid.IntRange(0, 4).Draw(t, "call") {
			case 0:
				i := rapid.SampledFrom([]uint32{0, 1, 2, 4, 5, 1 << 31, 1<<32 - 1}).Draw(t, "part")
				want := int(abi.Refused)
				if uint64(i) < uint64(len(parts)) {
					want, open, pos = 0, int(i), 0
				}
				if got := c.i32(hostOpenPart, uint64(i)); got != want {
					t.Fatalf("open_part(%d) = %d, want %d", i, got, want)
				}
			case 1, 2:
				n := size()
				read = c.i32(hostRead, 0, uint64(n))
				want := parts[open][pos:min(pos+n, len(parts[open]))]
				if string(c.mem[:max(read, 0)]) != want {
					t.Fatalf("part %d at %d: read %q, want %q", open, pos, c.mem[:max(read, 0)], want)
				}
				pos += read
			case 3:
				n, off := size(), rapid.IntRange(0, 70).Draw(t, "offset")
				read = c.i32(hostReadAt, uint64(off), 0, uint64(n))
				from := min(off, len(parts[open]))
				want := parts[open][from:min(from+n, len(parts[open]))]
				if string(c.mem[:max(read, 0)]) != want {
					t.Fatalf("part %d: read_at %d gives %q, want %q", open, off, c.mem[:max(read, 0)], want)
				}
			case 4:
				if got := c.ask(hostSize); got != int64(len(parts[open])) {
					t.Fatalf("size of part %d is %d, want %d", open, got, len(parts[open]))
				}
			}
			now := page.State()
			if now.Read < before.Read || now.Read > total || (now.Activity != before.Activity) != (read > 0) {
				t.Fatalf("progress from %+v to %+v of %d after %d bytes", before, now, total, read)
			}
		}
		for i := range parts {
			c.i32(hostOpenPart, uint64(i))
			for c.i32(hostRead, 0, 50) > 0 {
			}
		}
		if got := page.State().Read; got != total || c.in.read != total {
			t.Fatalf("%d of %d bytes are read when all is read", got, total)
		}
	})
}

func TestPartNames(t *testing.T) {
	c := newPartsCall(t, newPage(t), false, "aa", "bb", "cc", "dd")
	defer c.in.file.Close()
	copy(c.mem, "........")
	for _, x := range []struct {
		index    uint64
		room     uint64
		want     int
		wantName string
	}{{0, 8, 0, "........"}, {3, 2, 3, "nn......"}, {3, 0, 3, "nn......"}, {3, 8, 3, "nnn....."}, {4, 8, -1, "nnn....."}, {1<<32 - 1, 8, -1, "nnn....."}} {
		if got := c.i32(hostPart, x.index, 0, x.room); got != x.want || string(c.mem[:8]) != x.wantName {
			t.Errorf("part %d with room for %d: %d %q", x.index, x.room, got, c.mem[:8])
		}
	}
	for _, at := range []uint64{250, 1<<32 - 1} {
		c.end = nil
		if !outside(func() { c.i32(hostPart, 9, at, 7) }) || c.end == nil || c.end.Code != errcode.ABIViolation {
			t.Errorf("a name at %d of %d bytes of memory: %+v", at, len(c.mem), c.end)
		}
	}
}

// TestPartsOutOfTime: a sniff is shown the head of one file, and an instance that initialises nothing.
func TestPartsOutOfTime(t *testing.T) {
	c := newPartsCall(t, newPage(t), true, "aa", "bb")
	defer c.in.file.Close()
	c.mode = modeSniff
	if part, open := c.i32(hostPart, 0, 0, 8), c.i32(hostOpenPart, 1); part != -1 || open != -1 || c.in.open != 0 {
		t.Errorf("while sniffing: part %d, open_part %d", part, open)
	}
	for _, m := range []mode{modeInit, modeManifest} {
		for name, f := range map[string]func(){
			"part": func() { c.i32(hostPart, 0, 0, 8) }, "open_part": func() { c.i32(hostOpenPart, 1) },
		} {
			c.mode, c.end = m, nil
			if !outside(f) || c.end == nil || c.end.Code != errcode.ABIViolation {
				t.Errorf("%s in mode %d: %+v", name, m, c.end)
			}
		}
	}
}

// TestSniffReadsHeadAndTailOnly walks a file with read_at while it is sniffed.
func TestSniffReadsHeadAndTailOnly(t *testing.T) {
	const size = abi.SniffHead + abi.SniffTail + 100
	c := newPartsCall(t, newPage(t), true, strings.Repeat("x", size))
	defer c.in.file.Close()
	c.mode = modeSniff
	for off, want := range map[uint64]int{
		0: 10, abi.SniffHead - 4: 4, abi.SniffHead: 0, abi.SniffHead + 99: 0, abi.SniffHead + 100: 10, size - 3: 3, size: 0, 1 << 62: 0, 1 << 63: -1,
	} {
		if got := c.i32(hostReadAt, off, 0, 10); got != want {
			t.Errorf("read_at %d gives %d bytes, want %d", off, got, want)
		}
	}
	total := 0
	for n := 1; n > 0; total += n {
		n = c.i32(hostRead, 0, 256)
	}
	if total != abi.SniffHead {
		t.Errorf("read gives %d bytes", total)
	}
}

func TestUnopenedPartsAreReported(t *testing.T) {
	page := newPage(t)
	ended := errors.New("trap")
	for name, x := range map[string]struct {
		open   []uint64
		parts  []string
		err    error
		ret    int32
		errors int64
		offset byte
	}{
		"one part":         {nil, []string{"aa"}, nil, 0, 0, 0},
		"all opened":       {[]uint64{2, 1}, []string{"aa", "bb", "cc"}, nil, 0, 0, 0},
		"the rest is left": {nil, []string{"aa", "bb", "cc"}, nil, 0, 1, 2},
		"one is left":      {[]uint64{2}, []string{"aaa", "bb", "cc"}, nil, 0, 1, 3},
		"empty is left":    {nil, []string{"aa", "", ""}, nil, 0, 0, 0},
		"failed by itself": {nil, []string{"aa", "bb"}, nil, 1, 0, 0},
		"trapped":          {nil, []string{"aa", "bb"}, ended, 0, 0, 0},
	} {
		c := newPartsCall(t, page, false, x.parts...)
		for _, i := range x.open {
			c.i32(hostOpenPart, i)
		}
		c.reportUnopened(x.err, x.ret)
		if v := c.outcome(x.err, x.ret, false); (v != nil) != (x.errors > 0 || x.err != nil || x.ret != 0) {
			t.Errorf("%s: verdict %+v", name, v)
		}
		l := c.out.issues
		if l.errors != x.errors || l.rows != int(x.errors) {
			t.Errorf("%s: %d errors in %d rows", name, l.errors, l.rows)
		} else if l.rows > 0 && (l.offset[0] != x.offset || !bytes.Equal(l.code, []byte("parts_not_read"))) {
			t.Errorf("%s: %s at %d", name, l.code, l.offset)
		}
		_ = c.in.file.Close()
	}
}

func TestPartsBeyondTheInputAreRefused(t *testing.T) {
	for _, parts := range [][]wire.Part{{{Size: 11}}, {{Size: 5}, {Size: 6}}, {{Size: -1}}, {{Size: 10, At: -1}}, {{Size: 10}, {Size: 1 << 62}, {Size: 1 << 62}}} {
		if _, err := newInput(nil, &wire.Decode{Size: 10, Parts: parts}); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%+v: %v", parts, err)
		}
	}
}

// TestFailureIsWhereTheFatalIssueIs has a guest that gives the place and the reason apart: reading has come further.
func TestFailureIsWhereTheFatalIssueIs(t *testing.T) {
	c := newPartsCall(t, newPage(t), false, "aaaa")
	defer c.in.file.Close()
	c.i32(hostRead, 0, 4)
	at := int64(1)
	c.failed, c.fatal = &wire.Verdict{Message: "why"}, &wire.Verdict{Message: "what", Offset: &at}
	if v := c.outcome(nil, 1, false); v.Message != "why" || *v.Offset != 1 {
		t.Errorf("%+v at %d", v, *v.Offset)
	}
	c.failed, c.fatal = &wire.Verdict{}, nil
	if v := c.outcome(nil, 1, false); *v.Offset != 4 {
		t.Errorf("%+v at %d", v, *v.Offset)
	}
}
