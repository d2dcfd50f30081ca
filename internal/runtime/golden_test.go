package runtime

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// vetting runs a registry of one module that lies in the data folder: those are vetted by their golden vectors.
func vetting(tb testing.TB, wasm []byte, change func(*Config)) *rig {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "m.wasm"), wasm, 0o600); err != nil {
		tb.Fatal(err)
	}
	return newRig(tb, func(c *Config) {
		c.Dirs = []Dir{{dir, Data}}
		if change != nil {
			change(c)
		}
	}, nil)
}

// document decodes a vector in an ordinary pool and gives its golden document.
func document(r *rig, id string, v module.Vector) []byte {
	r.t.Helper()
	given, err := paramTexts(v.Params)
	if err != nil {
		r.t.Fatal(err)
	}
	params, err := r.reg.Params(id, given)
	if err != nil {
		r.t.Fatal(err)
	}
	j := r.request(id, v.Input)
	j.Name, j.Params = v.Name, params
	j.CreateChild = func(int) (*os.File, error) { return os.OpenFile(os.DevNull, os.O_WRONLY, 0) }
	at := int64(0)
	for _, p := range v.Parts {
		j.Parts = append(j.Parts, Part{Name: p.Name, Size: p.Size, SHA256: module.Hash(v.Input[at:][:p.Size])})
		j.SHA256 = PartsSHA256(j.Parts)
		at += p.Size
	}
	res := r.decode(j)
	var tables []golden.Table
	for _, t := range res.Tables {
		tables = append(tables, golden.Table{Name: t.Schema.Name, Rows: strings.NewReader(j.file(t.Schema.Name))})
	}
	var end *golden.End
	if res.Failure != nil {
		end = &golden.End{Code: string(res.Failure.Code), Offset: res.Failure.Offset}
	}
	var doc bytes.Buffer
	if err := golden.Write(&doc, tables, end); err != nil {
		r.t.Fatal(err)
	}
	return doc.Bytes()
}

// vetted gives a guest with vectors and the hashes of what a pool makes of them.
func vetted(t *testing.T, build func() *runtimetest.Guest, vectors ...module.Vector) []byte {
	t.Helper()
	r := newRig(t, nil, map[string][]byte{"m": build().Wasm()})
	id := r.reg.Plugins()[0].ID
	tests := map[string]string{}
	for _, v := range vectors {
		tests[v.Name] = golden.Hash(document(r, id, v))
	}
	return carrying(t, build(), tests, vectors...)
}

// carrying gives a guest with vectors and hashes.
func carrying(t *testing.T, g *runtimetest.Guest, tests map[string]string, vectors ...module.Vector) []byte {
	t.Helper()
	g.Change(func(m *abi.Manifest) { m.Tests = tests })
	return withVectors(t, g.Wasm(), vectors...)
}

func withVectors(t *testing.T, wasm []byte, vectors ...module.Vector) []byte {
	t.Helper()
	var err error
	for _, v := range vectors {
		if wasm, err = module.WithVector(wasm, v); err != nil {
			t.Fatal(err)
		}
	}
	return wasm
}

func vector(name, input string) module.Vector {
	return module.Vector{Vector: abi.Vector{Name: name}, Input: []byte(input)}
}

// installed waits until the only module is installed and gives it; its state is Active or Rejected.
func installed(r *rig) Plugin {
	r.t.Helper()
	_ = waitFor(r, r.reg.Plugins()[0].SHA256)
	return r.reg.Plugins()[0]
}

// tells gives a guest that decodes one naive time, a secret and a name, then reads its parts, complains and fails.
func tells() *runtimetest.Guest {
	g := runtimetest.NewGuest("tells", 1, 16)
	g.Change(func(m *abi.Manifest) {
		m.Params = []byte(`{"type":"object","properties":{"n":{"type":"integer"}}}`)
		m.Tables = []abi.Table{{Name: "times", Columns: []abi.Column{
			{Name: "at", Type: abi.TypeTSus, Zone: "naive"}, {Name: "secret", Type: abi.TypeI64, Sensitive: true},
		}}}
	})
	g.Data(runtimetest.RowsAt, []byte{0, 0x40, 0x8d, 0x2c, 0x53, 5, 6, 0})
	return g.Decode(
		g.Desc(runtimetest.DescAt, 0, 1, 2, 0, 0, runtimetest.RowsAt, 0, 0, 8, runtimetest.RowsAt, 0, 0, 8),
		g.Text(`{"name":"late","columns":[{"name":"value","type":"i64"}]}`), runtimetest.Call(g.Table), runtimetest.Op(runtimetest.Drop),
		i32(0), i32(runtimetest.BufAt), i32(100), runtimetest.Call(g.Part), runtimetest.Op(runtimetest.Drop),
		g.Text("n"), i32(runtimetest.BufAt), i32(8), runtimetest.Call(g.Param), runtimetest.Op(runtimetest.Drop),
		g.Desc(runtimetest.DescAt+64, 1, 1, 1, 0, 0, runtimetest.BufAt, 0, 0, 8),
		i32(1), runtimetest.Const64(3), g.Text("odd"), g.Text("look here"), runtimetest.Call(g.Issue),
		g.ReadSome(), i32(1), runtimetest.Call(g.OpenPart),
		g.Text("truncated"), g.Text("no more"), runtimetest.Call(g.Fail),
	)
}

// family gives a guest that makes sub-files: whole ones, and one that is not complete when it traps.
func family() *runtimetest.Guest {
	g := runtimetest.NewChildGuest("family")
	return g.Decode(g.Whole("a", "first"), g.Rows(2), g.Whole("b", ""), g.Begin("c"), g.Write("half"), runtimetest.Op(runtimetest.Unreachable), i32(0))
}

// TestGoldenVectorsAreWhatAPoolDecodes installs modules whose documents come from ordinary decodes: parameters, time
// zones, parts, tables declared at run time, issues, and decodes that end badly.
func TestGoldenVectorsAreWhatAPoolDecodes(t *testing.T) {
	zoned, shown, parts := vector("zoned", "abc"), vector("shown", "abc"), vector("parts", "abcde")
	zoned.Params = json.RawMessage(`{"timezone":"europe/berlin"}`)
	shown.Params = json.RawMessage(`{"reveal":true,"n":12}`)
	parts.Parts = []abi.VectorPart{{Name: "a.bin", Size: 2}, {Name: "b.bin", Size: 3}}
	for name, wasm := range map[string][]byte{
		"lines":  vetted(t, func() *runtimetest.Guest { return runtimetest.Lines("lines") }, vector("some.bin", strings.Repeat("x", 9000)), vector("none", "")),
		"family": vetted(t, family, vector("one", "x"), vector("two", "y")),
		"tells":  vetted(t, tells, vector("plain", "abc"), zoned, shown, parts),
	} {
		seen := &changes{changed: make(chan struct{}, 1)}
		r := vetting(t, wasm, func(c *Config) { c.Recorder = seen })
		if p := installed(r); p.State != Active {
			t.Errorf("%s: %s: %s", name, p.State, p.Reason)
		}
		seen.await(t.Context(), "compile active") // is told after it was logged
		if strings.Contains(r.log.String(), "interpreter, which") {
			t.Errorf("%s was compared in part only", name)
		}
		if n := strings.Count(r.log.String(), ", interpreter"); n < 2 {
			t.Errorf("%s: %d runs of the interpreter", name, n)
		}
	}
}

// unlike gives a guest that decodes differently when it is initialised anew: a growth of memory that was refused then
// makes of the trap later a lack of memory.
func unlike() *runtimetest.Guest {
	g := runtimetest.NewGuest("unlike", 1, 20_000)
	g.Func(abi.ExportInitialize, nil, nil, nil, i32(10_000), runtimetest.Grow(), runtimetest.Op(runtimetest.Drop))
	return g.Decode(g.Rows(1), runtimetest.Op(runtimetest.Unreachable), i32(0))
}

// spin is code that counts to n × 2^16.
func spin(n int) []byte {
	return cat(runtimetest.Loop(runtimetest.Get(0), i32(1), runtimetest.Op(runtimetest.Add), runtimetest.Set(0),
		runtimetest.Get(0), i32(n<<16), runtimetest.Op(runtimetest.LtU), runtimetest.BrIf(0)))
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestGoldenVectorsReject(t *testing.T) {
	lines := func() *runtimetest.Guest { return runtimetest.Lines("lines") }
	hash := strings.Repeat("0", 64)
	bad := vector("v", "x")
	bad.Params = json.RawMessage(`{"what":1}`)
	zero := vector("v", "x")
	zero.Parts = []abi.VectorPart{{Name: "a\x00b", Size: 1}}
	twice := withVectors(t, carrying(t, lines(), map[string]string{"v": hash}, vector("v", "")), vector("v", ""))
	big := runtimetest.NewGuest("big", 40, 40)
	big.Data(runtimetest.DescAt, runtimetest.Words(65536, 1, 0, 0, 1<<16, 0, 0, 8*65536))
	big.Decode(runtimetest.Loop(i32(0), i32(runtimetest.DescAt), runtimetest.Call(big.Emit), runtimetest.Op(runtimetest.Drop),
		runtimetest.Get(0), i32(1), runtimetest.Op(runtimetest.Add), runtimetest.Set(0), runtimetest.Get(0), i32(40), runtimetest.Op(runtimetest.LtU), runtimetest.BrIf(0)), i32(0))
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"other hash": {carrying(t, lines(), map[string]string{"v": hash}, vector("v", "x")), `golden vector "v": its document has the hash`},
		"no hash":    {carrying(t, lines(), nil, vector("v", "x")), "no hash among the tests"},
		"no vector":  {carrying(t, lines(), map[string]string{"w": hash}), `no golden vector "w"`},
		"twice":      {twice, "appears twice"},
		"parameters": {carrying(t, lines(), map[string]string{"v": hash}, bad), "param.what: unknown parameter"},
		"parts":      {carrying(t, lines(), map[string]string{"v": hash}, zero), "name of part 0"},
		"never ends": {carrying(t, forever("forever"), map[string]string{"v": hash}, vector("v", "x")), `longer than 2s (golden vector "v", compiler)`},
		"large":      {carrying(t, big, map[string]string{"v": hash}, vector("v", "x")), `golden vector "v", compiler: `},
		"engines":    {vetted(t, unlike, vector("v", "x")), "differs from the compiler (expected); the manifest has what the compiler wrote: line 2: expected {"},
	} {
		t.Run(name, func(t *testing.T) {
			r := vetting(t, c.wasm, func(c *Config) { c.Limits.Compile = 2 * time.Second })
			p := installed(r)
			if p.State != Rejected || !strings.Contains(p.Reason, c.want) {
				t.Errorf("%s: %q, want a reason with %q", p.State, p.Reason, c.want)
			}
		})
	}
}

// TestGoldenVectorsOfBuiltInModulesAreNotDecoded installs a module that would be rejected, were it not built in.
func TestGoldenVectorsOfBuiltInModulesAreNotDecoded(t *testing.T) {
	wasm := carrying(t, runtimetest.Lines("lines"), map[string]string{"v": strings.Repeat("0", 64)}, vector("v", "x"))
	r := newRig(t, nil, map[string][]byte{"lines": wasm})
	if p := installed(r); p.State != Active {
		t.Errorf("%s: %s", p.State, p.Reason)
	}
}

// TestSlowInterpreterRejectsNothing installs modules that the interpreter is too slow or not deep enough for.
func TestSlowInterpreterRejectsNothing(t *testing.T) {
	slow := func() *runtimetest.Guest {
		g := runtimetest.NewGuest("slow", 1, 16)
		return g.Decode(g.Rows(3), spin(8_000), g.Rows(1), i32(0))
	}
	for name, build := range map[string]func() *runtimetest.Guest{
		"slow": slow, "deep": func() *runtimetest.Guest { return deep("deep", 3000) },
	} {
		wasm := vetted(t, build, vector("first", "x"), vector("second", "x"))
		began := time.Now()
		seen := &changes{changed: make(chan struct{}, 1)}
		r := vetting(t, wasm, func(c *Config) { c.Limits.Compile, c.Recorder = 4*time.Second, seen })
		if p := installed(r); p.State != Active {
			t.Errorf("%s: %s: %s", name, p.State, p.Reason)
		}
		seen.await(t.Context(), "compile active") // is told after it was logged
		if !strings.Contains(r.log.String(), `vectors="[first second]"`) {
			t.Errorf("%s: nobody was told that the interpreter compared a part only", name)
		}
		t.Logf("%s: %s", name, time.Since(began))
	}
}

// TestGoldenVectorsOfAModuleThatGivesItsManifest decodes the vectors by a manifest that only wayside_manifest tells.
func TestGoldenVectorsOfAModuleThatGivesItsManifest(t *testing.T) {
	doc := "{\"rows\":{},\"error\":null}\n"
	for hash, want := range map[string]State{golden.Hash([]byte(doc)): Active, strings.Repeat("a", 64): Rejected} {
		text := `{"id":"own","name":"Own","version":"1.2.3","abi":1,"formats":[{"id":"own","sniff":[]}],"tables":[],"tests":{"v":"` + hash + `"}}`
		m := runtimetest.New(1, 1)
		give := m.Import(abi.Module, abi.ImportManifest, []byte{runtimetest.I32, runtimetest.I32}, nil)
		m.Data(0x400, []byte(text))
		m.Func(abi.ExportManifest, nil, nil, nil, i32(0x400), i32(len(text)), runtimetest.Call(give))
		m.Func(abi.ExportDecode, nil, []byte{runtimetest.I32}, nil, i32(0))
		r := vetting(t, withVectors(t, m.Bytes(), vector("v", "x")), nil)
		if p := installed(r); p.State != want {
			t.Errorf("%s: %s", p.State, p.Reason)
		}
	}
}

// TestGoldenHintsAtTheEngine tells which of the engines the author's hash came from.
func TestGoldenHintsAtTheEngine(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Interpreter, c.plainInit = true, true }, map[string][]byte{"unlike": unlike().Wasm()})
	hash := golden.Hash(document(r, "unlike", vector("v", "x")))
	p := installed(vetting(t, carrying(t, unlike(), map[string]string{"v": hash}, vector("v", "x")), nil))
	if p.State != Rejected || !strings.Contains(p.Reason, "the manifest has what the interpreter wrote: line 2: expected") {
		t.Errorf("%s: %s", p.State, p.Reason)
	}
}
