package runtime

import (
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// verdictCase is a guest that misbehaves and the verdict it is to get.
type verdictCase struct {
	guest  func(g *runtimetest.Guest) *runtimetest.Guest
	status Status
	code   errcode.Code
	rows   int64
}

// short are limits that a test does not have to wait for.
func short(c *Config) {
	c.Limits = Limits{
		Stall: 400 * time.Millisecond, Total: 3 * time.Second, OutputBase: 1 << 20, OutputRatio: 1, Issues: 10,
		LogBytes: 4096, MemoryMiB: 16,
	}
	if raceEnabled {
		c.Limits.Stall, c.Limits.Total = time.Second, 20*time.Second
	}
}

func i32(v int) []byte { return runtimetest.Const(v) }

// times runs code n times; it counts in local variable 0.
func times(n int, code ...[]byte) []byte {
	count := join(runtimetest.Get(0), i32(1), runtimetest.Op(runtimetest.Add), runtimetest.Set(0),
		runtimetest.Get(0), i32(n), runtimetest.Op(runtimetest.LtU), runtimetest.BrIf(0))
	return runtimetest.Loop(append(code, count)...)
}

func verdictCases() map[string]verdictCase {
	type g = runtimetest.Guest
	forever := runtimetest.Loop(runtimetest.Br(0))
	trap := runtimetest.Op(runtimetest.Unreachable)
	drop := runtimetest.Op(runtimetest.Drop)
	cases := map[string]verdictCase{
		"loop without calls":      {func(g *g) *g { return g.Decode(forever, i32(0)) }, Failed, errcode.Stalled, 0},
		"loop with calls":         {func(g *g) *g { return g.Decode(runtimetest.Loop(g.ReadSome(), runtimetest.Br(0)), i32(0)) }, Failed, errcode.Stalled, 0},
		"loop of empty batches":   {func(g *g) *g { return g.Decode(runtimetest.Loop(g.Rows(0), runtimetest.Br(0)), i32(0)) }, Failed, errcode.Stalled, 0},
		"loop after rows":         {func(g *g) *g { return g.Decode(g.Rows(3), g.Rows(3), forever, i32(0)) }, Partial, errcode.Stalled, 6},
		"trap":                    {func(g *g) *g { return g.Decode(trap, i32(0)) }, Failed, errcode.Trap, 0},
		"trap after rows":         {func(g *g) *g { return g.Decode(g.Rows(3), trap, i32(0)) }, Partial, errcode.Trap, 3},
		"return without a reason": {func(g *g) *g { return g.Decode(g.Rows(1), i32(1)) }, Partial, errcode.CorruptRecord, 1},
		"stack without end": {func(g *g) *g {
			self := g.RawFunc(nil, nil, append(append([]byte{0}, runtimetest.Call(11)...), 0x0b))
			if self != 11 {
				panic("wrong index")
			}
			return g.Decode(runtimetest.Call(self), i32(0))
		}, Failed, errcode.Trap, 0},
		"memory without end": {func(g *g) *g {
			return g.Decode(runtimetest.Loop(i32(16), runtimetest.Grow(), i32(-1), runtimetest.Op(runtimetest.Eq, runtimetest.Eqz), runtimetest.BrIf(0)), trap, i32(0))
		}, Failed, errcode.MemoryLimit, 0},
		"refused memory, survived": {func(g *g) *g {
			return g.Decode(i32(10000), runtimetest.Grow(), drop, g.Rows(1), i32(0))
		}, Done, "", 1},
		"output without end": {func(g *g) *g {
			return g.Decode(runtimetest.Loop(g.Rows(512), runtimetest.Br(0)), i32(0))
		}, Partial, errcode.OutputLimit, (1<<20 + 8192) / 8},
		"tables without end": {func(g *g) *g {
			// The digits of the table's name count up.
			g.Data(0x3000, []byte(`{"name":"t0000","columns":[{"name":"a","type":"i64"}]}`))
			digit := func(at int) []byte { // add 1 to the digit, carry to the left
				var out []byte
				for _, p := range [][]byte{i32(at), i32(at), {0x2d, 0, 0}, i32(1), runtimetest.Op(runtimetest.Add), {0x3a, 0, 0}} {
					out = append(out, p...)
				}
				return out
			}
			full := func(at int) []byte { return append(append(i32(at), 0x2d, 0, 0), append(i32('9'+1), runtimetest.Eq)...) }
			zero := func(at int) []byte { return append(append(i32(at), i32('0')...), 0x3a, 0, 0) }
			carry := func(at int, inner ...[]byte) []byte {
				out := append(full(at), 0x04, 0x40)
				out = append(append(out, zero(at)...), digit(at-1)...)
				for _, p := range inner {
					out = append(out, p...)
				}
				return append(out, 0x0b)
			}
			const last = 0x3000 + 13
			return g.Decode(runtimetest.Loop(
				i32(0x3000), i32(54), runtimetest.Call(g.Table), drop,
				digit(last), carry(last, carry(last-1)), runtimetest.Br(0)), i32(0))
		}, Failed, errcode.TableLimit, 0},
	}
	maps.Copy(cases, endless())
	if raceEnabled { // the worker's stack grows too slowly there
		delete(cases, "stack without end")
	}
	for name, c := range lies() {
		cases["lie: "+name] = c
	}
	return cases
}

// endless are guests that do more and more of something, or what is not theirs to do.
func endless() map[string]verdictCase {
	type g = runtimetest.Guest
	idOf := func(x *g) (id string) {
		x.Change(func(m *abi.Manifest) { id = m.ID })
		return id
	}
	again := func(code ...[]byte) []byte { return runtimetest.Loop(append(code, runtimetest.Br(0))...) }
	return map[string]verdictCase{
		"recursion that doubles": {func(x *g) *g { return runtimetest.Recursion(idOf(x), 60) }, Failed, errcode.Stalled, 0},
		"memory that doubles":    {func(x *g) *g { return runtimetest.Doubling(idOf(x)) }, Failed, errcode.MemoryLimit, 0},
		"memory page by page": {func(x *g) *g {
			return x.Decode(runtimetest.Loop(i32(1), runtimetest.Grow(), i32(-1), runtimetest.Op(runtimetest.Eq, runtimetest.Eqz), runtimetest.BrIf(0)), i32(1))
		}, Failed, errcode.MemoryLimit, 0},
		"issues without end": {func(x *g) *g {
			return x.Decode(again(i32(1), runtimetest.Const64(0), x.Text("code"), x.Text("text"), runtimetest.Call(x.Issue)), i32(0))
		}, Failed, errcode.Stalled, 0},
		"a billion issues": {func(x *g) *g {
			return x.Decode(times(1_000_000_000, i32(1), runtimetest.Const64(0), x.Text("code"), x.Text(strings.Repeat("text", 200)), runtimetest.Call(x.Issue)), i32(0))
		}, Failed, errcode.Stalled, 0},
		"a billion issues after rows": {func(x *g) *g {
			return x.Decode(x.Rows(3), times(1_000_000_000, i32(3), runtimetest.Const64(0), x.Text("code"), x.Text("text"), runtimetest.Call(x.Issue)), i32(0))
		}, Partial, errcode.Stalled, 3},
		"a million tables of one name": {func(x *g) *g {
			return x.Decode(times(1_000_000, x.Text(`{"name":"t","columns":[{"name":"a","type":"i64"}]}`), runtimetest.Call(x.Table), runtimetest.Op(runtimetest.Drop)), i32(0))
		}, Failed, errcode.ABIViolation, 0},
		"tables of more than a manifest": {func(x *g) *g {
			big := runtimetest.NewGuest(idOf(x), 32, 64)
			schema := func(at int, name string) []byte {
				s := `{"name":"` + name + `","columns":[{"name":"a","type":"i64"}],"description":"` + strings.Repeat("x", 600_000) + `"}`
				big.Data(at, []byte(s))
				return join(i32(at), i32(len(s)), runtimetest.Call(big.Table), runtimetest.Op(runtimetest.Drop))
			}
			return big.Decode(big.Rows(1), schema(0x10000, "one"), schema(0x100000, "two"), i32(0))
		}, Partial, errcode.TableLimit, 1},
		"log without end": {func(x *g) *g {
			return x.Decode(again(i32(0), x.Text("text"), runtimetest.Call(x.Log)), i32(0))
		}, Failed, errcode.Stalled, 0},
		"reads after the end": {func(x *g) *g { return x.Decode(x.ReadSome(), x.ReadSome(), again(x.ReadSome()), i32(0)) }, Failed, errcode.Stalled, 0},
		"exit with a code": {func(x *g) *g {
			exit := x.Import(abi.WASIModule, "proc_exit", []byte{runtimetest.I32}, nil)
			return x.Decode(x.Rows(1), i32(3), runtimetest.Call(exit), i32(0))
		}, Partial, errcode.Trap, 1},
		"exit well": {func(x *g) *g {
			exit := x.Import(abi.WASIModule, "proc_exit", []byte{runtimetest.I32}, nil)
			return x.Decode(x.Rows(1), i32(0), runtimetest.Call(exit), i32(9))
		}, Done, "", 1},
		"manifest in its decode": {func(x *g) *g {
			m := x.Import(abi.Module, abi.ImportManifest, []byte{runtimetest.I32, runtimetest.I32}, nil)
			return x.Decode(x.Rows(1), i32(0), i32(4), runtimetest.Call(m), i32(0))
		}, Partial, errcode.ABIViolation, 1},
		"decode calls itself": {func(x *g) *g {
			self := 11
			return x.Decode(x.Rows(1), runtimetest.Get(0), runtimetest.Op(runtimetest.Drop), runtimetest.Loop(runtimetest.Call(self), runtimetest.Op(runtimetest.Drop), runtimetest.Br(0)), i32(0))
		}, Partial, errcode.OutputLimit, (1<<20 + 8192) / 8},
		"batch over its own descriptor": {func(x *g) *g {
			return x.Decode(x.Desc(0x900, 0, 2, 1, 0, 0, 0x900, 0, 0, 16), i32(0))
		}, Done, "", 2},
	}
}

// lies are batches and other calls that break the contract, after one good batch.
func lies() map[string]verdictCase {
	type g = runtimetest.Guest
	const at, big = 0x900, 0xfffffff0
	desc := func(words ...uint32) verdictCase {
		return verdictCase{func(g *g) *g { return g.Decode(g.Rows(1), g.Desc(at, 0, words...), i32(0)) }, Partial, errcode.ABIViolation, 1}
	}
	code := func(f func(g *g) []byte) verdictCase {
		return verdictCase{func(g *g) *g { return g.Decode(g.Rows(1), f(g), i32(0)) }, Partial, errcode.ABIViolation, 1}
	}
	text := func(words ...uint32) verdictCase {
		return verdictCase{func(g *g) *g {
			g.Change(func(m *abi.Manifest) {
				m.Tables = append(m.Tables, abi.Table{Name: "texts", Columns: []abi.Column{{Name: "s", Type: abi.TypeUTF8, Nullable: true}}})
			})
			g.Data(0x2800, []byte("ab\xff\xfecd"))
			g.Data(0x2900, runtimetest.Words(0, 2, 2, 6)) // right
			g.Data(0x2920, runtimetest.Words(0, 4, 2, 6)) // goes back
			g.Data(0x2940, runtimetest.Words(1, 2, 2, 6)) // does not begin at 0
			g.Data(0x2960, runtimetest.Words(0, 2, 2, 7)) // beyond the data
			return g.Decode(g.Rows(1), g.Desc(at, 1, words...), i32(0))
		}, Partial, errcode.ABIViolation, 1}
	}
	return map[string]verdictCase{
		"descriptor out of memory": code(func(g *g) []byte {
			return join(i32(0), i32(-8), runtimetest.Call(g.Emit), runtimetest.Op(runtimetest.Drop))
		}),
		"descriptor's columns out of memory": code(func(g *g) []byte {
			g.Data(0xfff0, runtimetest.Words(1, 1, 0, 0))
			return join(i32(0), i32(0xfff0), runtimetest.Call(g.Emit), runtimetest.Op(runtimetest.Drop))
		}),
		"unknown table":          code(func(g *g) []byte { return g.Desc(at, 7, 1, 1, 0, 0, 0x2000, 0, 0, 8) }),
		"negative table":         code(func(g *g) []byte { return g.Desc(at, -1, 1, 1, 0, 0, 0x2000, 0, 0, 8) }),
		"data at the end":        desc(1, 1, 0, 0, 0xfffc, 0, 0, 8),
		"data wraps":             desc(1, 1, 0, 0, big, 0, 0, 8),
		"length wraps":           desc(1, 1, 0, 0, 0x2000, 0, 0, big),
		"too few bytes":          desc(2, 1, 0, 0, 0x2000, 0, 0, 8),
		"too many rows":          desc(65537, 1, 0, 0, 0x2000, 0, 0, 8*65537),
		"all the rows there are": desc(0xffffffff, 1, 0, 0, 0x2000, 0, 0, 0xfffffff8),
		"too many columns":       desc(1, 2, 0, 0, 0x2000, 0, 0, 8, 0x2000, 0, 0, 8),
		"no columns":             desc(1, 0, 0, 0),
		"offsets of a number":    desc(1, 1, 0, 0, 0x2000, 0, 0x2000, 8),
		"validity, not nullable": desc(1, 1, 0, 0, 0x2000, 0x2000, 0, 8),
		"validity out of memory": text(3, 1, 0, 0, 0x2800, 0xffffffff, 0x2900, 6),
		"text is not UTF-8":      text(3, 1, 0, 0, 0x2800, 0, 0x2900, 6),
		"offsets go back":        text(3, 1, 0, 0, 0x2800, 0, 0x2920, 6),
		"offsets begin late":     text(3, 1, 0, 0, 0x2800, 0, 0x2940, 6),
		"offsets beyond data":    text(3, 1, 0, 0, 0x2800, 0, 0x2960, 6),
		"offsets out of memory":  text(3, 1, 0, 0, 0x2800, 0, 0xfff8, 6),
		"no offsets":             text(65536, 1, 0, 0, 0x2800, 0, 0, 6),
		"read out of memory": code(func(g *g) []byte {
			return join(i32(0xfff0), i32(0x7fffffff), runtimetest.Call(g.Read), runtimetest.Op(runtimetest.Drop))
		}),
		"read wraps": code(func(g *g) []byte {
			return join(i32(-1), i32(2), runtimetest.Call(g.Read), runtimetest.Op(runtimetest.Drop))
		}),
		"part's name out of memory": code(func(g *g) []byte {
			return join(i32(0), i32(0xfff8), i32(9), runtimetest.Call(g.Part), runtimetest.Op(runtimetest.Drop))
		}),
		"part's name wraps": code(func(g *g) []byte {
			return join(i32(7), i32(-1), i32(2), runtimetest.Call(g.Part), runtimetest.Op(runtimetest.Drop))
		}),
		"issue text out of memory": code(func(g *g) []byte {
			return join(i32(1), runtimetest.Const64(0), g.Text("code"), i32(-4), i32(9), runtimetest.Call(g.Issue))
		}),
		"issue of unknown severity": code(func(g *g) []byte {
			return join(i32(9), runtimetest.Const64(0), g.Text("code"), g.Text("text"), runtimetest.Call(g.Issue))
		}),
		"issue code with spaces": code(func(g *g) []byte {
			return join(i32(1), runtimetest.Const64(0), g.Text("no code"), g.Text("text"), runtimetest.Call(g.Issue))
		}),
		"table without columns": code(func(g *g) []byte {
			return join(g.Text(`{"name":"x","columns":[]}`), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop))
		}),
		"table named like the host's": code(func(g *g) []byte {
			return join(g.Text(`{"name":"issues","columns":[{"name":"a","type":"i8"}]}`), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop))
		}),
		"table's name is not UTF-8": code(func(g *g) []byte {
			return join(g.Text("{\"name\":\"x\xff\",\"columns\":[{\"name\":\"a\",\"type\":\"i8\"}]}"), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop))
		}),
		"column's name is not UTF-8": code(func(g *g) []byte {
			return join(g.Text("{\"name\":\"x\",\"columns\":[{\"name\":\"\xc3\",\"type\":\"i8\"}]}"), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop))
		}),
		"issue's code is not UTF-8": code(func(g *g) []byte {
			return join(i32(1), runtimetest.Const64(0), g.Text("a\xff"), g.Text("text"), runtimetest.Call(g.Issue))
		}),
		"code of fail is not UTF-8": code(func(g *g) []byte {
			return join(g.Text("\xfe\xff"), g.Text("text"), runtimetest.Call(g.Fail))
		}),
		"table twice": code(func(g *g) []byte {
			return join(g.Text(`{"name":"rows","columns":[{"name":"a","type":"i8"}]}`), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop))
		}),
	}
}

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// TestVerdicts runs every misbehaving guest, several at a time, beside one that behaves: good files must go on decoding
// all the while.
func TestVerdicts(t *testing.T) {
	modules := map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()}
	ids := map[string]string{}
	cases := verdictCases()
	for name, c := range cases {
		id := "g" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(name))
		ids[name] = id
		modules[id] = c.guest(runtimetest.NewGuest(id, 1, 4096)).Wasm()
	}
	const attackers = 4
	r := newRig(t, func(c *Config) { short(c); c.Workers, c.Recycle = attackers+3, 1<<30 }, modules)
	good := r.stream()
	defer good.end()
	var wg sync.WaitGroup
	slots := make(chan struct{}, attackers)
	for name, c := range cases {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			j := r.request(ids[name], make([]byte, 8192))
			var res Result
			var err error
			good.during(name, func() { res, err = r.pool.Decode(t.Context(), j.Request) })
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			var code errcode.Code
			if res.Failure != nil {
				if code = res.Failure.Code; res.Failure.Message == "" {
					t.Errorf("%s: no message", name)
				}
			}
			if res.Status != c.status || code != c.code || res.Rows != c.rows {
				t.Errorf("%s: %s %s with %d rows, want %s %s with %d: %+v", name, res.Status, code, res.Rows, c.status, c.code, c.rows, res.Failure)
			}
			if got := int64(strings.Count(j.file("rows"), "\n")); got != c.rows && c.status != Failed {
				t.Errorf("%s: the file has %d rows, want %d", name, got, c.rows)
			}
		})
	}
	wg.Wait()
}

// TestLargestTable declares a table as large as a manifest may be, and six times as large on its way for its characters.
// That takes its time, so it is not one of those that may stand still for a moment only.
func TestLargestTable(t *testing.T) {
	g := runtimetest.NewGuest("largest", 32, 64)
	text := `{"name":"one","columns":[{"name":"a","type":"i64"}],"description":"` + strings.Repeat("<", 1_048_000) + `"}`
	g.Data(0x10000, []byte(text))
	g.Decode(g.Rows(1), i32(0x10000), i32(len(text)), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop), i32(0))
	r := newRig(t, nil, map[string][]byte{"largest": g.Wasm()})
	res, err := r.pool.Decode(t.Context(), r.request("largest", make([]byte, 8192)).Request)
	if err != nil || res.Status != Done || res.Rows != 1 {
		t.Errorf("%s with %d rows, %v, %+v", res.Status, res.Rows, err, res.Failure)
	}
}
