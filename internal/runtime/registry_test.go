package runtime

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// waitFor waits for a plugin's compile and gives its error.
func waitFor(r *rig, sha string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	return r.reg.Wait(ctx, sha)
}

func TestRejectedModules(t *testing.T) {
	good := func() *runtimetest.Guest { return runtimetest.NewGuest("mm", 1, 16) }
	nothing := i32(0)
	manifest := func(f func(*abi.Manifest)) []byte {
		g := good()
		g.Change(f)
		return g.Decode(nothing).Wasm()
	}
	deep := bytes.Repeat([]byte{0x02, 0x40}, 2001)
	deep = append(deep, bytes.Repeat([]byte{0x0b}, 2001)...)
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"text":           {[]byte("(module)"), "not a WebAssembly module"},
		"cut":            {good().Decode(nothing).Wasm()[:60], "malformed"},
		"no decode":      {good().Wasm(), "does not export the function wayside_decode"},
		"unknown import": {importing("wayside_v1", "format_disk"), "not part of ABI"},
		"foreign import": {importing("env", "system"), "not allowed"},
		"unknown WASI":   {importing("wasi_snapshot_preview1", "proc_spawn"), "proc_spawn"},
		"no memory":      {func() []byte { g := good(); g.NoMemory(); return g.Decode(nothing).Wasm() }(), "no memory"},
		"much memory":    {runtimetest.NewGuest("mm", 5000, 5000).Decode(nothing).Wasm(), "the limit is 256 MiB"},
		"large body":     {good().Decode(append(bytes.Repeat([]byte{1}, 600<<10), nothing...)).Wasm(), "the limit is 524288"},
		"deep nesting":   {good().Decode(append(deep, nothing...)).Wasm(), "nests 2001"},
		"many locals": {func() []byte {
			g := good()
			g.RawFunc(nil, nil, join([]byte{1}, runtimetest.U(1001), []byte{runtimetest.I32, 0x0b}))
			return g.Decode(nothing).Wasm()
		}(), "1001 locals"},
		"table.grow":   {good().Decode([]byte{0xd0, 0x70, 0x41, 0, 0xfc, 15, 0, 0x1a}, nothing).Wasm(), "table.grow"},
		"invalid code": {good().Decode(runtimetest.Op(runtimetest.Add), nothing).Wasm(), "compile"},
		"data outside": {func() []byte { g := good(); g.Data(0xffff, []byte("ab")); return g.Decode(nothing).Wasm() }(), "data"},
		"start traps": {func() []byte {
			g := good()
			g.Start(g.Func("", nil, nil, nil, runtimetest.Op(0)))
			return g.Decode(nothing).Wasm()
		}(), "unreachable"},
		"initialise traps": {func() []byte {
			g := good()
			g.Func("_initialize", nil, nil, nil, runtimetest.Op(0))
			return g.Decode(nothing).Wasm()
		}(), "does not initialise"},
		"start loops": {func() []byte {
			g := good()
			g.Start(g.Func("", nil, nil, nil, runtimetest.Loop(runtimetest.Br(0))))
			return g.Decode(nothing).Wasm()
		}(), "longer than 1s"},
		"manifest: abi":    {manifest(func(m *abi.Manifest) { m.ABI = 2 }), "abi is 2"},
		"manifest: unit":   {manifest(func(m *abi.Manifest) { m.Tables[0].Columns[0].Type = "i7" }), "unknown type"},
		"manifest: params": {manifest(func(m *abi.Manifest) { m.Params = []byte(`{"$ref":"http://example.com/x"}`) }), "not allowed"},
		"manifest: none":   {good().Decode(nothing).Bytes(), "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Limits.Compile = time.Second }, map[string][]byte{"m": c.wasm})
			p := r.reg.Plugins()
			if len(p) != 1 {
				t.Fatalf("plugins %+v", p)
			}
			if err := waitFor(r, p[0].SHA256); !errcode.Is(err, errcode.PluginRejected) {
				t.Fatalf("error %v, want plugin_rejected", err)
			}
			if p = r.reg.Plugins(); p[0].State != Rejected || !strings.Contains(p[0].Reason, c.want) {
				t.Errorf("%s: %q, want a reason with %q", p[0].State, p[0].Reason, c.want)
			}
		})
	}
}

func importing(mod, name string) []byte {
	m := runtimetest.New(1, 1)
	m.Import(mod, name, nil, []byte{runtimetest.I32})
	m.Func(abi.ExportDecode, nil, []byte{runtimetest.I32}, nil, i32(0))
	m.Manifest(abi.Manifest{ID: "mm", Name: "M", Version: "1.0.0", ABI: 1, Formats: []abi.Format{{ID: "m"}}})
	return m.Bytes()
}

// TestManifestFromTheModule compiles a module that gives its manifest itself.
func TestManifestFromTheModule(t *testing.T) {
	const text = `{"id":"own","name":"Own","version":"1.2.3","abi":1,"formats":[{"id":"own","sniff":[]}],"tables":[]}`
	m := runtimetest.New(1, 1)
	give := m.Import(abi.Module, abi.ImportManifest, []byte{runtimetest.I32, runtimetest.I32}, nil)
	m.Data(0x400, []byte(text))
	m.Func(abi.ExportManifest, nil, nil, nil, i32(0x400), i32(len(text)), runtimetest.Call(give))
	m.Func(abi.ExportDecode, nil, []byte{runtimetest.I32}, nil, i32(0))
	var dir string
	r := newRig(t, func(c *Config) { dir = c.CompiledDir }, map[string][]byte{"own": m.Bytes()})
	if err := waitFor(r, r.reg.Plugins()[0].SHA256); err != nil {
		t.Fatal(err)
	}
	if p, ok := r.reg.Get("own"); !ok || p.Version != "1.2.3" || p.State != Active {
		t.Errorf("%+v", p)
	}
	again := newRig(t, func(c *Config) { c.CompiledDir = dir }, map[string][]byte{"own": m.Bytes()})
	if p, ok := again.reg.Get("own"); !ok || p.State != Active {
		t.Errorf("the second time: %+v", p)
	}
	if res := again.decode(again.request("own", []byte("x"))); res.Status != Done || res.Rows != 0 {
		t.Errorf("%+v", res)
	}
}

// TestCompiledCodeIsUsedAgainAndRepaired opens a registry again over the same folder, untouched and damaged.
func TestCompiledCodeIsUsedAgainAndRepaired(t *testing.T) {
	wasm := runtimetest.Lines("lines").Wasm()
	var dir string
	first := newRig(t, func(c *Config) { dir = c.CompiledDir }, map[string][]byte{"lines": wasm})
	first.decode(first.request("lines", make([]byte, 4096)))
	folder := filepath.Join(dir, module.Hash(wasm))
	var cached []string
	if err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(path) != wire.RecordFile {
			cached = append(cached, path)
		}
		return err
	}); err != nil || len(cached) != 2 {
		t.Fatalf("files %v: %v", cached, err)
	}
	for name, damage := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"removed": os.Remove,
		"cut":     func(path string) error { return os.Truncate(path, 20) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		for _, path := range cached {
			t.Run(name+" "+filepath.Base(path)[:6], func(t *testing.T) {
				if err := damage(path); err != nil {
					t.Fatal(err)
				}
				r := newRig(t, func(c *Config) { c.CompiledDir = dir }, map[string][]byte{"lines": wasm})
				if p, _ := r.reg.Get("lines"); p.State != Active {
					t.Errorf("state %s", p.State)
				}
				if res := r.decode(r.request("lines", make([]byte, 4096))); res.Status != Done || res.Rows != 1 {
					t.Errorf("%+v %+v", res, res.Failure)
				}
				if name == "nothing" && strings.Contains(r.log.String(), "again") {
					t.Error("compiled again")
				}
			})
		}
	}
}

// TestWhichModuleServesAnID checks versions, sources and the protection of built-in ids.
func TestWhichModuleServesAnID(t *testing.T) {
	wasm := func(version, name string) []byte {
		g := runtimetest.Lines("lines")
		g.Change(func(m *abi.Manifest) { m.Version, m.Name = version, name })
		return g.Wasm()
	}
	dir := func(b []byte) string {
		d := t.TempDir()
		if err := os.WriteFile(filepath.Join(d, "a.wasm"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return d
	}
	data, system := dir(wasm("1.10.0", "data")), dir(wasm("1.9.0", "system"))
	for _, c := range []struct {
		name     string
		builtin  map[string][]byte
		override bool
		dirs     []Dir
		want     string
	}{
		{"highest version", nil, false, []Dir{{data, Data}, {system, System}}, "data"},
		{"built-in is protected", map[string][]byte{"a": wasm("1.0.0", "built")}, false, []Dir{{data, Data}}, "built"},
		{"override", map[string][]byte{"a": wasm("1.0.0", "built")}, true, []Dir{{data, Data}}, "data"},
		{"override by a lower version", map[string][]byte{"a": wasm("2.0.0-rc.1", "built")}, true, []Dir{{data, Data}}, "built"},
		{"same version, data first", nil, false, []Dir{{dir(wasm("1.9.0", "other")), Data}, {system, System}}, "other"},
		{"no such folder", nil, false, []Dir{{filepath.Join(data, "none"), Data}, {system, System}}, "system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { cfg.Override, cfg.Dirs = c.override, c.dirs }, c.builtin)
			if p, ok := r.reg.Get("lines"); !ok || p.Name != c.want || len(r.reg.Plugins()) != 1 {
				t.Errorf("%+v, want %s", r.reg.Plugins(), c.want)
			}
		})
	}
}

// TestRejectedVersionLeavesTheOldOne drops a higher version that cannot be compiled.
func TestRejectedVersionLeavesTheOldOne(t *testing.T) {
	bad := runtimetest.Lines("lines")
	bad.Change(func(m *abi.Manifest) { m.Version = "9.0.0" })
	bad.Start(bad.Func("", nil, nil, nil, runtimetest.Op(0)))
	r := newRig(t, nil, map[string][]byte{"bad": bad.Wasm(), "good": runtimetest.Lines("lines").Wasm()})
	if err := waitFor(r, module.Hash(bad.Bytes())); err == nil {
		t.Fatal("the bad version was accepted")
	}
	p, _ := r.reg.Get("lines")
	if p.Version != "1.0.0" {
		t.Fatalf("%+v", p)
	}
	if res := r.decode(r.request("lines", make([]byte, 4096))); res.Status != Done {
		t.Errorf("%+v", res)
	}
}

func TestDetect(t *testing.T) {
	guest := func(id string, f func(m *abi.Manifest)) []byte {
		g := runtimetest.Lines(id)
		g.Change(f)
		return g.Wasm()
	}
	sniffer := runtimetest.Lines("asks")
	sniffer.Func(abi.ExportSniff, nil, []byte{runtimetest.I32}, nil, // 80 if the file begins with "ask"
		i32(runtimetest.BufAt), i32(3), runtimetest.Call(sniffer.Read), runtimetest.Op(runtimetest.Drop),
		i32(runtimetest.BufAt), runtimetest.Load(0), i32('a'|'s'<<8|'k'<<16), runtimetest.Op(runtimetest.Eq), i32(80), runtimetest.Op(runtimetest.Mul))
	hangs := runtimetest.Lines("hangs")
	hangs.Func(abi.ExportSniff, nil, []byte{runtimetest.I32}, nil, runtimetest.Loop(runtimetest.Br(0)), i32(0))
	r := newRig(t, nil, map[string][]byte{
		"asks": sniffer.Wasm(), "hangs": hangs.Wasm(),
		"magic": guest("magic", func(m *abi.Manifest) {
			m.Formats[0].Sniff = []abi.Sniff{{Offset: 2, Bytes: "cafe00"}, {Bytes: "12ff", Mask: "f0ff"}}
		}),
		"first": guest("first", func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{{Regex: `^\$[A-Z]{5},`}} }),
		"upper": guest("upper", func(m *abi.Manifest) { m.Formats[0].Extensions = []string{".CAPS"} }),
		"walks": guest("walks", func(m *abi.Manifest) {
			m.Formats[0].Sniff = []abi.Sniff{{Walk: &abi.Walk{
				Records: 3, Least: 2, Header: 3, TypeAt: 0, LengthAt: 1, Lengths: map[string]int{"1": 2, "2": -1},
				Ranges: []abi.Range{{At: 2, Min: 1, Max: 12}},
			}}}
		}),
	})
	for _, p := range r.reg.Plugins() {
		if err := waitFor(r, p.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, file, head, want string }{
		{"magic", "", "..\xca\xfe\x00", "magic"},
		{"masked", "", "\x1a\xff...", "magic"},
		{"first line", "", "$GPGGA,1\nx", "first"},
		{"second line", "", "x\n$GPGGA,1", ""},
		{"content before name", "x.first", "..\xca\xfe\x00", "magic"},
		{"name alone", "X.FIRST", "unknown", "first"},
		{"name in other letters", "x.caps", "unknown", "upper"},
		{"walk", "", "\x01\x02\x0cab\x02\x00\x01\x01\x02\x01cd", "walks"},
		{"walk to the end", "", "\x01\x02\x0cab\x02\x00\x01", "walks"},
		{"walk, too few", "", "\x01\x02\x0cab", ""},
		{"walk, out of range", "", "\x01\x02\x0dab\x02\x00\x01", ""},
		{"walk, wrong length", "", "\x01\x03\x0cabc\x02\x00\x01", ""},
		{"walk, cut", "", "\x01\x02\x0cab\x02\x05\x01", ""},
		{"asked", "", "ask me", "asks"},
		{"nothing", "", "nothing", ""},
		{"empty", "x.first", "", ""},
	} {
		d, ok := r.reg.Detect(t.Context(), []byte(c.head), int64(len(c.head)), c.file)
		if d.Format != c.want || ok != (c.want != "") {
			t.Errorf("%s: %+v, want %s", c.name, d, c.want)
		}
	}
}

func TestParams(t *testing.T) {
	g := runtimetest.Lines("lines")
	g.Change(func(m *abi.Manifest) {
		m.Params = []byte(`{"type":"object","required":["zone"],"$defs":{"port":{"type":"integer","minimum":1}},"properties":{
			"zone":{"type":"string"},"port":{"$ref":"#/$defs/port","default":80},"scale":{"type":"number"},
			"strict":{"type":"boolean","default":false},"names":{"type":"array","items":{"type":"string"}},
			"kind":{"enum":["a","b"]},"limit":{"type":["integer","null"]}}}`)
	})
	r := newRig(t, nil, map[string][]byte{"lines": g.Wasm(), "none": runtimetest.Lines("none").Wasm()})
	for _, c := range []struct {
		name, plugin string
		given        map[string]string
		want         string // canonical JSON, or the wrong fields
	}{
		{"defaults", "lines", map[string]string{"zone": "UTC"}, `{"port":80,"strict":false,"zone":"UTC"}`},
		{
			"all", "lines",
			map[string]string{"zone": "<Z>", "port": "443", "scale": "1e2", "strict": "true", "names": "a,b", "kind": "b", "limit": "null"},
			`{"kind":"b","limit":null,"names":["a","b"],"port":443,"scale":100,"strict":true,"zone":"<Z>"}`,
		},
		{"array as JSON", "lines", map[string]string{"zone": "1", "names": `["a,b"]`}, `{"names":["a,b"],"port":80,"strict":false,"zone":"1"}`},
		{"reveal", "none", map[string]string{"reveal": "true"}, `{"reveal":true}`},
		{"no reveal", "none", map[string]string{"reveal": "false"}, `{}`},
		{"reveal what", "none", map[string]string{"reveal": "1"}, "param.reveal"},
		{"none", "none", nil, `{}`},
		{"unknown", "none", map[string]string{"x": "1"}, "param.x"},
		{"missing", "lines", nil, "param.zone"},
		{"wrong", "lines", map[string]string{"zone": "Z", "port": "0", "strict": "yes", "kind": "c", "what": ""}, "param.kind param.port param.strict param.what"},
		{"no number", "lines", map[string]string{"zone": "Z", "scale": "NaN"}, "param.scale"},
	} {
		got, err := r.reg.Params(c.plugin, c.given)
		text := string(got)
		if err != nil {
			text = fieldsOf(t, err)
		}
		if text != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, text, err, c.want)
		}
	}
	if _, err := r.reg.Params("nobody", nil); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("unknown plugin: %v", err)
	}
}

func TestPluginsAreDescribed(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	p, ok := r.reg.Get("lines")
	if !ok {
		t.Fatal("no plugin")
	}
	want := []Format{{ID: "lines", Extensions: []string{".lines"}}}
	if diff := cmp.Diff(want, p.Formats); diff != "" {
		t.Error(diff)
	}
	if err := waitFor(r, p.SHA256); err != nil {
		t.Fatal(err)
	}
	if compiling, total := r.reg.Progress(); compiling != 0 || total != 1 {
		t.Errorf("%d of %d to compile", compiling, total)
	}
	if err := r.reg.Wait(t.Context(), "none"); !errcode.Is(err, errcode.PluginRejected) {
		t.Errorf("unknown hash: %v", err)
	}
}
