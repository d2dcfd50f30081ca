package runtime

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// installCase is a module that must not become a plugin, and a part of the reason that people read.
type installCase struct {
	wasm []byte
	says string
}

// lyingImports lists the imports of the ABI that take addresses, with code that calls each with a lying one for every place
// where an address and a length, or room for an answer, go. A sub-file is open, with the handle 0.
func lyingImports(g *runtimetest.ChildGuest) map[string][]byte {
	drop := runtimetest.Op(runtimetest.Drop)
	out := map[string][]byte{}
	for name, at := range map[string][2]int{
		"last byte": {0xffff, 2}, "end": {0x10000, 1}, "top": {-1, 1}, "wraps to 0": {-1, 2}, "wraps far": {-16, 0x7fffffff},
		"all": {0, -1}, "half": {0, -0x80000000}, "both": {-1, -1},
	} {
		lie := join(i32(at[0]), i32(at[1]))
		good := g.Text("code")
		out["read, "+name] = join(lie, runtimetest.Call(g.Read), drop)
		out["read_at, "+name] = join(runtimetest.Const64(0), lie, runtimetest.Call(g.ReadAt), drop)
		out["table, "+name] = join(lie, runtimetest.Call(g.Table), drop)
		out["issue's code, "+name] = join(i32(1), runtimetest.Const64(0), lie, good, runtimetest.Call(g.Issue))
		out["issue's text, "+name] = join(i32(1), runtimetest.Const64(0), good, lie, runtimetest.Call(g.Issue))
		out["fail's code, "+name] = join(lie, good, runtimetest.Call(g.Fail))
		out["fail's text, "+name] = join(good, lie, runtimetest.Call(g.Fail))
		out["log, "+name] = join(i32(0), lie, runtimetest.Call(g.Log))
		out["param's key, "+name] = join(lie, i32(0), i32(0), runtimetest.Call(g.Param), drop)
		out["param's room, "+name] = join(good, lie, runtimetest.Call(g.Param), drop)
		out["child, "+name] = join(lie, runtimetest.Call(g.Child), drop)
		out["child_write, "+name] = join(i32(0), lie, runtimetest.Call(g.ChildWrite), drop)
		out["part, "+name] = join(i32(0), lie, runtimetest.Call(g.Part), drop)
	}
	for name, handle := range map[string]int{"none": 1, "far": 0x7fffffff, "negative": -1} {
		out["child_write to a lying handle, "+name] = join(i32(handle), g.Text("text"), runtimetest.Call(g.ChildWrite), drop)
		out["child_close of a lying handle, "+name] = join(i32(handle), runtimetest.Call(g.ChildClose))
	}
	out["emit, at the end"] = join(i32(0), i32(0xfff1), runtimetest.Call(g.Emit), drop)
	out["emit, at the top"] = join(i32(0), i32(-1), runtimetest.Call(g.Emit), drop)
	return out
}

// TestEveryImportChecksItsPointers calls every import with addresses and lengths that lie: one module, which the first
// four bytes of a file tell what to do.
func TestEveryImportChecksItsPointers(t *testing.T) {
	g := runtimetest.NewChildGuest("liar")
	var names []string
	code := join(g.Begin("sub-file"), i32(runtimetest.BufAt), i32(4), runtimetest.Call(g.Read), runtimetest.Op(runtimetest.Drop))
	for name, lie := range lyingImports(g) {
		code = join(code, i32(runtimetest.BufAt), runtimetest.Load(0), i32(len(names)), runtimetest.Op(runtimetest.Eq), runtimetest.If(lie))
		names = append(names, name)
	}
	g.Decode(code, i32(0))
	r := newRig(t, short, map[string][]byte{"liar": g.Wasm(), "lines": runtimetest.Lines("lines").Wasm()})
	if len(names) < 110 {
		t.Fatalf("only %d lies", len(names))
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for n, name := range names {
		j := r.request("liar", runtimetest.Words(uint32(n))).family()
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			res, err := r.pool.Decode(t.Context(), j.Request)
			if err != nil || res.Failure == nil || res.Failure.Code != errcode.ABIViolation || !strings.Contains(res.Failure.Message, ": ") {
				t.Errorf("%s: %v %+v", name, err, res.Failure)
			}
		})
	}
	wg.Wait()
	r.stillDecodes("after all lies")
	if res := r.decode(r.request("liar", runtimetest.Words(9999))); res.Status != Done {
		t.Errorf("a guest that tells no lie: %+v", res.Failure)
	}
}

// stillDecodes decodes a good file and compares what comes out.
func (r *rig) stillDecodes(when string) {
	r.t.Helper()
	good := r.request("lines", make([]byte, 3*4096))
	res, err := r.pool.Decode(r.t.Context(), good.Request)
	if got := good.file("rows"); err != nil || res.Status != Done || got != "{\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"value\":\"3\"}\n" && got != "{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n" {
		r.t.Errorf("%s a good file gives %+v %v: %s", when, res, err, got)
	}
}

// installAttacks are modules that are refused when they are installed.
func installAttacks() map[string]installCase {
	type g = runtimetest.Guest
	made := func(f func(g *g)) []byte {
		x := runtimetest.NewGuest("mm", 1, 16)
		f(x)
		return x.Wasm()
	}
	ends := func(x *g) { x.Decode(i32(0)) }
	manifest := func(f func(m *abi.Manifest)) []byte {
		return made(func(x *g) { x.Change(f); ends(x) })
	}
	// own gives a module that gives its manifest itself, by this code.
	own := func(code func(x *g, manifest int) []byte) []byte {
		x := runtimetest.NewGuest("mm", 1, 512)
		index := x.Import(abi.Module, abi.ImportManifest, []byte{runtimetest.I32, runtimetest.I32}, nil)
		x.Exports(abi.ExportManifest, code(x, index))
		ends(x)
		return x.Bytes()
	}
	forever := runtimetest.Loop(runtimetest.Br(0))
	raw := func(id byte, body ...byte) []byte { return made(func(x *g) { ends(x); x.RawSection(id, body) }) }
	calls := func(export string, code func(x *g) []byte) []byte {
		return made(func(x *g) { x.Exports(export, code(x)); ends(x) })
	}
	return map[string]installCase{
		"two memories":       {raw(5, 2, 0, 1, 0, 1), "2 memories"},
		"shared memory":      {raw(5, 1, 3, 1, 2), "shared"},
		"64-bit memory":      {raw(5, 1, 4, 1), "64-bit"},
		"huge memory":        {raw(5, 1, 0, 0x80, 0x80, 4), "the limit is 256 MiB"},
		"huge table":         {raw(4, 1, 0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f), "elements"},
		"a memory to import": {raw(2, append(append([]byte{1}, join(runtimetest.Name("wayside_v1"), runtimetest.Name("memory"))...), 2, 0, 1)...), "not a function"},
		"a global to import": {raw(2, append(append([]byte{1}, join(runtimetest.Name("wayside_v1"), runtimetest.Name("g"))...), 3, 0x7f, 0)...), "not a function"},
		"decode with a parameter": {made(func(x *g) {
			x.Func(abi.ExportDecode, []byte{runtimetest.I32}, []byte{runtimetest.I32}, nil, i32(0))
		}), abi.ExportDecode},
		"decode without a result": {made(func(x *g) { x.Func(abi.ExportDecode, nil, nil, nil) }), abi.ExportDecode},
		"decode gives an i64": {made(func(x *g) {
			x.Func(abi.ExportDecode, nil, []byte{runtimetest.I64}, nil, runtimetest.Const64(0))
		}), abi.ExportDecode},
		"_initialize with a parameter": {made(func(x *g) { x.Func(abi.ExportInitialize, []byte{runtimetest.I32}, nil, nil); ends(x) }), abi.ExportInitialize},
		"sniff without a result":       {made(func(x *g) { x.Func(abi.ExportSniff, nil, nil, nil); ends(x) }), abi.ExportSniff},
		"manifest with a parameter":    {made(func(x *g) { x.Func(abi.ExportManifest, []byte{runtimetest.I32}, nil, nil); ends(x) }), abi.ExportManifest},
		"decode is a global":           {made(func(x *g) { x.Global(1); x.Export(abi.ExportDecode, 3, 0) }), "does not export the function"},
		"read of other types": {made(func(x *g) {
			x.Import(abi.Module, abi.ImportRead, []byte{runtimetest.I64}, nil)
			ends(x)
		}), "read"},
		"_initialize emits": {calls(abi.ExportInitialize, func(x *g) []byte { return x.Rows(1) }), "outside of its time"},
		"_initialize reads": {calls(abi.ExportInitialize, func(x *g) []byte { return x.ReadSome() }), "outside of its time"},
		"_initialize loops": {calls(abi.ExportInitialize, func(*g) []byte { return forever }), "longer than"},
		"_initialize grows without end": {calls(abi.ExportInitialize, func(*g) []byte {
			return join(runtimetest.Loop(i32(16), runtimetest.Grow(), i32(-1), runtimetest.Op(runtimetest.Eq, runtimetest.Eqz), runtimetest.BrIf(0)), runtimetest.Op(runtimetest.Unreachable))
		}), "does not initialise"},
		"start emits":    {made(func(x *g) { x.Start(x.Func("", nil, nil, nil, x.Rows(1))); ends(x) }), "outside of its time"},
		"manifest reads": {own(func(x *g, _ int) []byte { return x.ReadSome() }), "outside of its time"},
		"manifest emits": {own(func(x *g, _ int) []byte { return x.Rows(1) }), "outside of its time"},
		"manifest loops": {own(func(*g, int) []byte { return forever }), "longer than"},
		"manifest traps": {own(func(*g, int) []byte { return runtimetest.Op(runtimetest.Unreachable) }), "unreachable"},
		"manifest lies":  {own(func(_ *g, m int) []byte { return join(i32(-1), i32(2), runtimetest.Call(m)) }), "not in memory"},
		"manifest of 1 MiB and a byte": {own(func(_ *g, m int) []byte {
			return join(i32(64), runtimetest.Grow(), runtimetest.Op(runtimetest.Drop), i32(0), i32(1<<20+1), runtimetest.Call(m))
		}), "the limit is 1048576"},
		"manifest of 4 GiB":    {own(func(_ *g, m int) []byte { return join(i32(0), i32(-1), runtimetest.Call(m)) }), "the limit is 1048576"},
		"manifest nests":       {made2("mm", `{"params":`+strings.Repeat(`[`, 100_000)), "nests deeper"},
		"manifest is not JSON": {made2("mm", "\x00\x01"), "manifest"},
		"tables without end":   {manifest(func(m *abi.Manifest) { m.Tables = make([]abi.Table, 9000) }), "9000 tables"},
		"columns without end": {manifest(func(m *abi.Manifest) {
			for len(m.Tables[0].Columns) < 5000 {
				m.Tables[0].Columns = append(m.Tables[0].Columns, abi.Column{Name: "c" + itoa(len(m.Tables[0].Columns)), Type: abi.TypeI8})
			}
		}), "columns"},
		"regex that explodes":           {manifest(func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{{Regex: "((a{1,500}){1,500}){1,500}"}} }), "sniff rule"},
		"element segment out of bounds": {runtimetest.ElementSegment("mm", 3, 2, 2).Wasm(), "element segment 0 ends at element 4 of table 0, which has 3"},
		"element segment at the top":    {runtimetest.ElementSegment("mm", 3, -1, 1).Wasm(), "element segment 0 ends at"},
		"element segment, by a global":  {runtimetest.ElementSegmentByGlobal("mm", 3, 2, 2).Wasm(), "compile: element[0] couldn't evaluate offset"},
		"data segment out of bounds":    {runtimetest.DataSegment("mm", 65535, 2).Wasm(), "data segment 0 ends at byte 65537 of the memory"},
		"data segment at the top":       {runtimetest.DataSegment("mm", -1, 1).Wasm(), "data segment 0 ends at"},
		"data segment, by a global":     {runtimetest.DataSegmentByGlobal("mm", 65535, 2).Wasm(), "compile: calculate offset"},
		"tables of too many elements":   {raw(4, 2, 0x70, 0, 0x80, 0x80, 0x40, 0x70, 0, 1), "elements or more"},
		"sections without end":          {append(made(ends), bytes.Repeat([]byte{0, 1, 0}, 5000)...), "more than 4096 sections"},
		"many functions":                {runtimetest.Many("mm", 65537).Wasm(), "65537 functions"},
		"compile bomb":                  {runtimetest.CompileBomb("mm", 60).Wasm(), "compiling takes longer than"},
	}
}

// made2 gives a module with this text as its manifest.
func made2(id, manifest string) []byte {
	return module.WithCustom(runtimetest.NewGuest(id, 1, 16).Decode(i32(0)).Bytes(), abi.SectionManifest, []byte(manifest))
}

// TestInstallAttacks installs every module that must be refused, while good files are decoded.
func TestInstallAttacks(t *testing.T) {
	modules := map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()}
	cases := installAttacks()
	for name, c := range cases {
		modules["attack "+name] = c.wasm
	}
	r := newRig(t, func(c *Config) {
		c.Limits.Compile = time.Second
		if raceEnabled {
			c.Limits.Compile = 4 * time.Second
		}
	}, modules)
	r.decode(r.request("lines", make([]byte, 4096)))
	good := r.stream()
	defer good.end()
	for name, c := range cases {
		var err error
		good.during(name, func() { err = waitFor(r, module.Hash(c.wasm)) })
		if !errcode.Is(err, errcode.PluginRejected) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want plugin_rejected with %q", name, err, c.says)
		}
	}
}
