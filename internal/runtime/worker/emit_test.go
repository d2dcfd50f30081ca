package worker

import (
	"errors"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// outside runs f as a host function would run and reports whether it ended the instance.
func outside(f func()) (ended bool) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, errEnd) {
				panic(r)
			}
			ended = true
		}
	}()
	f()
	return false
}

// guest instantiates a module that behaves as decode workers see it, and calls its decode function.
func guest(t *testing.T, g *runtimetest.Guest, input string, seek bool) (*call, int32, error) {
	t.Helper()
	ctx := t.Context()
	e, err := newEngine(ctx, g.Wasm(), engineOptions{memoryMiB: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(ctx); err != nil {
			t.Error(err)
		}
	}()
	in, err := wire.MemFile("input", []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	page, file, err := wire.NewPage()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = file.Close(), page.Close() }()
	c := newCall(modeInit)
	c.in, c.page, c.seek, c.logLeft = onePart(in, "name", int64(len(input))), page, seek, 1000
	c.params = map[string]string{"key": "a value"}
	c.out = newOutput(&wire.Decode{Output: 1 << 20, Issues: 10}, nil, nil, page, &pools{})
	ret, err := e.run(ctx, c, abi.ExportDecode, func() { c.start(modeDecode, "seed") })
	return c, ret, err
}

func TestSeekAndParam(t *testing.T) {
	const buf = runtimetest.BufAt
	build := func() *runtimetest.Guest {
		g := runtimetest.NewGuest("seeks", 1, 1)
		// Returns read_at(4, buf, 100) × 1000 + the byte read first, and 9 more if the parameter has 7 bytes.
		return g.Decode(
			runtimetest.Const64(4), runtimetest.Const(buf), runtimetest.Const(100), runtimetest.Call(g.ReadAt),
			runtimetest.Const(1000), runtimetest.Op(runtimetest.Mul),
			runtimetest.Const(buf), []byte{0x2d, 0, 0}, runtimetest.Op(runtimetest.Add),
			g.Text("key"), runtimetest.Const(buf+50), runtimetest.Const(3), runtimetest.Call(g.Param),
			runtimetest.Const(7), runtimetest.Op(runtimetest.Eq), runtimetest.Const(9), runtimetest.Op(runtimetest.Mul, runtimetest.Add))
	}
	if c, ret, err := guest(t, build(), "0123456789", true); err != nil || ret != 6000+'4'+9 || c.in.read != 10 {
		t.Errorf("with seek: %d, at %d, %v", ret, c.in.read, err)
	}
	if _, ret, err := guest(t, build(), "0123456789", false); err != nil || ret != -1000+9 {
		t.Errorf("without: %d, %v", ret, err)
	}
}

// TestWASIIsClosedAndDeterministic runs a guest that asks for the time, for random bytes and for a file, twice.
func TestWASIIsClosedAndDeterministic(t *testing.T) {
	build := func() *runtimetest.Guest {
		g := &runtimetest.Guest{Module: runtimetest.New(1, 1)}
		i, l := byte(runtimetest.I32), byte(runtimetest.I64)
		clock := g.Import(abi.WASIModule, "clock_time_get", []byte{i, l, i}, []byte{i})
		random := g.Import(abi.WASIModule, "random_get", []byte{i, i}, []byte{i})
		poll := g.Import(abi.WASIModule, "poll_oneoff", []byte{i, i, i, i}, []byte{i})
		open := g.Import(abi.WASIModule, "path_open", []byte{i, i, i, i, i, l, l, i, i}, []byte{i})
		read := g.Import(abi.WASIModule, "fd_read", []byte{i, i, i, i}, []byte{i})
		exit := g.Import(abi.WASIModule, "proc_exit", []byte{i}, nil)
		fail := g.Import(abi.Module, abi.ImportFail, []byte{i, i, i, i}, nil)
		g.Data(0x100, append(make([]byte, 24), 0, 0, 0, 0, 1, 0, 0, 0)) // sleep 2^32 ns
		c, call, drop := runtimetest.Const, runtimetest.Call, runtimetest.Op(runtimetest.Drop)
		zero := runtimetest.Const64(0)
		g.Data(0x80, []byte("code"))
		g.Func(abi.ExportDecode, nil, []byte{i}, nil,
			c(1), zero, c(0x200), call(clock), drop, c(0x208), c(16), call(random), drop,
			c(0x100), c(0x300), c(1), c(0x220), call(poll), drop, c(1), zero, c(0x218), call(clock), drop,
			c(3), c(0), c(0), c(0), c(0), zero, zero, c(0), c(0), call(open), c(8), runtimetest.Op(runtimetest.Sub),
			c(0), c(0), c(0), c(0), call(read), c(8), runtimetest.Op(runtimetest.Sub), runtimetest.Op(runtimetest.Add),
			[]byte{0x04, 0x40}, c(1), call(exit), runtimetest.Op(0x0b), // both were EBADF
			c(0x80), c(4), c(0x200), c(0x30), call(fail), c(1))
		return g
	}
	c, ret, err := guest(t, build(), "", false)
	if err != nil || ret != 1 || c.failed == nil {
		t.Fatalf("%d %v %+v", ret, err, c)
	}
	if want := uint64(clockRun + 2*clockStep + 1<<32); c.clock != want {
		t.Errorf("the clock stands at %d, want %d", c.clock, want)
	}
	again, _, _ := guest(t, build(), "", false)
	if c.failed.Message != again.failed.Message {
		t.Errorf("two runs differ: %q %q", c.failed.Message, again.failed.Message)
	}
}
