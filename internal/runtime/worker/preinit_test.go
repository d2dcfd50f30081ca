package worker

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestOnlyInitialisingModulesAreRewritten compiles guests as C and Rust write them, without _initialize: what decode
// workers load is what came, byte for byte.
func TestOnlyInitialisingModulesAreRewritten(t *testing.T) {
	plain := runtimetest.Lines("lines").Wasm()
	starts := runtimetest.Lines("starts") // a start function alone is run for every instance
	starts.Start(starts.Func("", nil, nil, nil, runtimetest.Const(0x40), runtimetest.Const(1), runtimetest.Store(0)))
	initialises := runtimetest.Lines("initialises")
	initialises.Func(abi.ExportInitialize, nil, nil, nil, runtimetest.Const(0x40), runtimetest.Const(1), runtimetest.Store(0))
	fills := runtimetest.Lines("fills") // a few bytes of code that would be a module of several pages
	fills.Func(abi.ExportInitialize, nil, nil, nil, runtimetest.Const(0), runtimetest.Const(1), runtimetest.Const(60<<10), runtimetest.Op(0xfc, 11, 0))
	for name, c := range map[string]struct {
		wasm      []byte
		bytes     int
		rewritten bool
	}{
		"plain": {plain, 0, false}, "start function": {starts.Wasm(), 0, false}, "_initialize": {initialises.Wasm(), 0, true},
		"filled memory": {fills.Wasm(), 0, true}, "too much of it": {fills.Wasm(), 32 << 10, false},
	} {
		dir := t.TempDir()
		setup := &wire.Setup{Dir: dir, MemoryMiB: 16}
		setup.Module.Bytes = c.bytes
		rec, err := compile(t.Context(), &vetting{setup: setup, wasm: c.wasm})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stored, err := os.ReadFile(filepath.Join(dir, wire.ModuleFile))
		if err != nil {
			t.Fatal(err)
		}
		if rec.Initialised != c.rewritten || bytes.Equal(stored, c.wasm) == c.rewritten || rec.Module != module.Hash(stored) {
			t.Errorf("%s: initialised %v, the module itself %v", name, rec.Initialised, bytes.Equal(stored, c.wasm))
		}
	}
}

// BenchmarkInstance makes and ends an instance of the built rail decoder, a Go guest: as it came, and initialised.
func BenchmarkInstance(b *testing.B) {
	wasm, err := os.ReadFile(filepath.Join("..", "..", "..", "plugins", "dist", "rail.wasm"))
	if err != nil {
		b.Skip("plugins/dist/rail.wasm is not built: go run ./plugins/build")
	}
	info, err := module.Check(wasm, module.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	snap, _, err := (&vetting{setup: &wire.Setup{MemoryMiB: 256}, wasm: wasm}).initialise(b.Context(), info)
	if err != nil || snap == nil {
		b.Fatalf("the module cannot be initialised: %v", err)
	}
	for _, c := range []struct {
		name string
		wasm []byte
		opt  engineOptions
	}{
		{"as-it-came", wasm, engineOptions{memoryMiB: 256}},
		{"initialised", snap, engineOptions{memoryMiB: 256, initialised: true}},
		{"as-it-came-interpreter", wasm, engineOptions{memoryMiB: 256, interpreter: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, err := newEngine(b.Context(), c.wasm, c.opt)
			if err != nil {
				b.Fatal(err)
			}
			defer e.close(b.Context())
			for b.Loop() {
				m, err := e.instantiate(b.Context(), newCall(modeInit))
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
