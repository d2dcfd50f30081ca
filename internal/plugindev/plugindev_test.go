package plugindev

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	rt "github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/worker"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestMain lets the test binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// laidOut lays a module and its tests out as an author has them, and gives the module's path.
func laidOut(t *testing.T, wasm []byte, tests map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range tests {
		path := filepath.Join(dir, "testdata", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "guest.wasm")
	if err := os.WriteFile(path, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// eights is a guest that makes one row of eight bytes; whole says that it reads on after a short read.
func eights(whole bool) []byte {
	if !whole { // one row of every full read of 8 bytes, and takes a shorter one for the end
		return rt.Parts("guest").Wasm()
	}
	g := rt.NewGuest("guest", 1, 16)
	g.Data(rt.DescAt, rt.Words(1, 1, 0, 0, rt.RowsAt, 0, 0, 8))
	g.Decode( // variable 0: bytes at hand, 1: result of a read
		rt.Loop(
			rt.Const(rt.RowsAt), rt.Get(0), rt.Op(rt.Add), rt.Const(8), rt.Get(0), rt.Op(rt.Sub), rt.Call(g.Read), rt.Set(1),
			rt.Get(1), rt.Op(rt.Eqz), []byte{0x04, 0x40}, rt.Const(0), rt.Op(rt.Return), rt.Op(0x0b),
			rt.Get(0), rt.Get(1), rt.Op(rt.Add), rt.Set(0),
			rt.Get(0), rt.Const(8), rt.Op(rt.Eq), []byte{0x04, 0x40},
			rt.Const(0), rt.Set(0), rt.Const(0), rt.Const(rt.DescAt), rt.Call(g.Emit), rt.Op(rt.Drop), rt.Op(0x0b),
			rt.Br(0),
		),
		rt.Const(0),
	)
	return g.Wasm()
}

func failed(r *Report) string {
	var out []string
	for _, c := range r.Checks {
		if !c.OK {
			out = append(out, c.Name+": "+c.Text)
		}
	}
	return strings.Join(out, "\n")
}

func run(t *testing.T, cfg TestConfig) Report {
	t.Helper()
	rep, err := Test(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// TestGoldenFiles: a missing golden file fails, is written on demand, holds, and a changed one fails.
func TestGoldenFiles(t *testing.T) {
	path := laidOut(t, eights(true), map[string]string{"a.bin": "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"})
	file := filepath.Join(filepath.Dir(path), "testdata", "a.bin.golden.ndjson")
	if rep := run(t, TestConfig{Path: path}); rep.OK || !strings.Contains(failed(&rep), "--update") {
		t.Errorf("without a golden file: %+v", rep)
	}
	if rep := run(t, TestConfig{Path: path, Update: true}); !rep.OK {
		t.Errorf("update: %s", failed(&rep))
	}
	got, err := os.ReadFile(file)
	want := "{\"table\":\"rows\",\"row\":{\"value\":1}}\n{\"table\":\"rows\",\"row\":{\"value\":2}}\n{\"rows\":{\"rows\":2},\"error\":null}\n"
	if err != nil || string(got) != want {
		t.Errorf("golden file %q, %v", got, err)
	}
	if rep := run(t, TestConfig{Path: filepath.Dir(path), Fuzz: 50 * time.Millisecond}); !rep.OK || len(rep.Checks) != 5 {
		t.Errorf("%s, %d checks", failed(&rep), len(rep.Checks))
	}
	if err := os.WriteFile(file, []byte(strings.Replace(want, "2", "3", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := run(t, TestConfig{Path: path}); rep.OK || !strings.Contains(failed(&rep), "line 2") {
		t.Errorf("a changed golden file: %s", failed(&rep))
	}
}

// TestShortReadsAreFound: a decoder that takes a short read for the end passes with whole reads and is found.
func TestShortReadsAreFound(t *testing.T) {
	path := laidOut(t, eights(false), map[string]string{"a.bin": strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00", 5)})
	rep := run(t, TestConfig{Path: path, Update: true})
	if rep.OK || !strings.Contains(failed(&rep), "reads: with reads of at most 1 bytes") {
		t.Errorf("%s", failed(&rep))
	}
}

// TestFaultsAreKept: a guest that traps on a byte that no test holds, and on inputs shorter than 3 bytes.
func TestFaultsAreKept(t *testing.T) {
	g := rt.NewGuest("guest", 1, 16)
	g.Decode(
		rt.Const(rt.BufAt), rt.Const(3), rt.Call(g.Read), rt.Const(2), rt.Op(rt.Eq), []byte{0x04, 0x40}, rt.Op(rt.Unreachable), rt.Op(0x0b),
		rt.Const(0),
	)
	path := laidOut(t, g.Wasm(), map[string]string{"a.bin": "abcdef"})
	rep := run(t, TestConfig{Path: path, Update: true})
	// Reads of one byte never give two, random ones do.
	if rep.OK || len(rep.Faults) != 1 || rep.Faults[0].Code != errcode.Trap || rep.Faults[0].Bytes != 2 {
		t.Fatalf("%s\n%+v", failed(&rep), rep.Faults)
	}
	kept, err := os.ReadFile(rep.Faults[0].File)
	if err != nil || string(kept) != "ab" {
		t.Errorf("kept %q, %v", kept, err)
	}
	if rep = run(t, TestConfig{Path: path}); !strings.Contains(failed(&rep), "crasher: it still breaks") {
		t.Errorf("the next time: %s", failed(&rep))
	}
}

// TestPack: packing is idempotent and deterministic, carries tests, and the tests notice when they are stale.
func TestPack(t *testing.T) {
	path := laidOut(t, eights(true), map[string]string{"A b.bin": "12345678", "parts/1": "1234", "parts/2": "5678"})
	run(t, TestConfig{Path: path, Update: true})
	dir := filepath.Dir(path)
	out := filepath.Join(dir, "out", "guest.wasm")
	if err := os.Mkdir(filepath.Dir(out), 0o750); err != nil {
		t.Fatal(err)
	}
	p, err := Pack(t.Context(), PackConfig{In: path, Out: out, TestData: filepath.Join(dir, "testdata")})
	if err != nil || strings.Join(p.Vectors, " ") != "a-b.bin parts" {
		t.Fatalf("%+v, %v", p, err)
	}
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(t.Context(), PackConfig{In: out}); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(out); err != nil || !bytes.Equal(first, again) {
		t.Errorf("packed again it is not the same: %v", err)
	}
	raw, _ := module.EmbeddedManifest(first)
	if m, err := module.ParseManifest(raw); err != nil || len(m.Tests) != 2 {
		t.Errorf("manifest %s, %v", raw, err)
	}
	if rep := run(t, TestConfig{Path: out, TestData: filepath.Join(dir, "testdata")}); !rep.OK {
		t.Errorf("%s", failed(&rep))
	}
	if err := os.WriteFile(filepath.Join(dir, "testdata", "A b.bin"), []byte("87654321"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := run(t, TestConfig{Path: out, TestData: filepath.Join(dir, "testdata")}); !strings.Contains(failed(&rep), "another input of test a-b.bin") {
		t.Errorf("stale: %s", failed(&rep))
	}
}

// TestPackRefusesUnits: what a host would take and an author should not ship.
func TestPackRefusesUnits(t *testing.T) {
	g := rt.Lines("guest")
	g.Change(func(m *abi.Manifest) { m.Tables[0].Columns[0].Unit = "kmh" })
	_, err := Pack(t.Context(), PackConfig{In: laidOut(t, g.Wasm(), nil)})
	if err == nil || !strings.Contains(err.Error(), `write "km/h"`) {
		t.Errorf("%v", err)
	}
}

func TestSignAndVerify(t *testing.T) {
	path := laidOut(t, eights(true), nil)
	name := filepath.Join(t.TempDir(), "me")
	k, err := Keygen(name)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(k.Private); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("private key: %v, %v", st, err)
	}
	if _, err := Keygen(name); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("a key was replaced: %v", err)
	}
	other, err := Keygen(name + "-other")
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, want bool, keys ...string) {
		t.Helper()
		if v, err := Verify(path, keys, nil); err != nil || v.Valid != want || v.Valid == (v.Reason != "") {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	check("not signed", false, k.Public)
	if id, err := Sign(path, k.Private); err != nil || id != k.KeyID {
		t.Fatalf("%s, %v", id, err)
	}
	check("signed", true, other.Public, k.Public)
	check("by another key", false, other.Public)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(path, []string{k.Public}, nil); err == nil && v.Valid {
		t.Error("a changed module is valid")
	}
}

func TestInspect(t *testing.T) {
	in, err := Inspect(laidOut(t, eights(true), nil))
	if err != nil || in.Problem != "" || in.Manifest == nil || in.Signature != "none" || len(in.Exports) != 2 {
		t.Errorf("%+v, %v", in, err)
	}
	if text := in.Text(); !strings.Contains(text, "wayside_v1.read") {
		t.Error(text)
	}
}

func TestBench(t *testing.T) {
	path := laidOut(t, rt.Lines("guest").Wasm(), map[string]string{"a.bin": strings.Repeat("x", 100_000)})
	f, err := Bench(t.Context(), BenchConfig{Path: path, Inputs: []string{filepath.Join(filepath.Dir(path), "testdata", "a.bin")}})
	if err != nil || len(f) != 1 || f[0].Rows != 25 || f[0].ReadOnly.Median <= 0 || f[0].Parquet.Median <= 0 || f[0].PeakBytes <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestNewReplacesNothing: a second project of the name changes no file.
func TestNewReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, files, err := New(NewConfig{Language: "go", ID: "my-log", Dir: dir}); err != nil || len(files) < 15 {
		t.Fatalf("%v, %v", files, err)
	}
	mine := filepath.Join(dir, "my-log", "README.md")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := New(NewConfig{Language: "go", ID: "my-log", Dir: dir}); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(mine); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
	for _, id := range []string{"", "a", "Foo", "../x", "1a", "a_b", strings.Repeat("a", 64)} {
		if _, _, err := New(NewConfig{Language: "go", ID: id, Dir: dir}); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, _, err := New(NewConfig{Language: "cobol", ID: "abc", Dir: dir}); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("%v", err)
	}
}

func TestUCUM(t *testing.T) {
	u := newUCUM()
	for ok := range strings.FieldsSeq(`m km/h m/s2 Cel % [ppth] By kBy bit 10*3/uL 10*-3 m.s-2 /min {rev}/min 1 kW.h mm[Hg] b [m/s2/Hz^(1/2)] 10.nV
[degF] dB[10.nV] m[H2O] A2 J/(kg.K) ug/m3{dry} [mi_i]/h ' '' [in_i'H2O] MiBy`) {
		if err := u.check(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{"kmh", "sec", "°C", "m//s", "m/", ".m", "(m", "m)", "{a", "{é}", "kmin", "bytes", "km h", strings.Repeat("(", 99) + "m", "[foo]", "m^2", "(m/s)2", "kb", "k[psi]", "mdeg", "KM", "Hz^2", "[m/s2/Hz^0.5]"} {
		if u.check(bad) == nil {
			t.Errorf("%s is taken for a unit", bad)
		}
	}
	for pair := range strings.FieldsSeq(ucumUsual) {
		usual, meant, _ := strings.Cut(pair, "=")
		if err := u.check(meant); err != nil {
			t.Errorf("%s: what is meant is none: %v", usual, err)
		}
		if u.check(usual) == nil {
			t.Logf("%s is a unit by itself", usual)
		}
	}
}

// FuzzUCUM: a unit of any text is judged without a panic.
func FuzzUCUM(f *testing.F) {
	for _, s := range []string{"km/h", "10*-3", "J/(kg.K)", "{a}", "m[H2O]"} {
		f.Add(s)
	}
	u := newUCUM()
	f.Fuzz(func(_ *testing.T, s string) { _ = u.check(s) })
}
