package runtime

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// railVectors are recordings that reach every part of the rail decoder.
func railVectors() []module.Vector {
	example := railtest.Example()
	clean := railtest.Recording(railtest.Options{Seed: 2})
	long := railtest.Recording(railtest.Options{Seed: 3, Bytes: 200_000, Faults: true, Rare: true})
	zoned := module.Vector{Vector: abi.Vector{Name: "zoned", Params: json.RawMessage(`{"timezone":"Europe/Berlin","reveal":true}`)}, Input: example}
	parts := module.Vector{
		Vector: abi.Vector{Name: "parts", Parts: []abi.VectorPart{{Name: "1.RU", Size: int64(len(clean))}, {Name: "2.RU", Size: int64(len(example))}}},
		Input:  append(append([]byte(nil), clean...), example...),
	}
	return []module.Vector{
		{Vector: abi.Vector{Name: "example"}, Input: example},
		{Vector: abi.Vector{Name: "clean"}, Input: clean},
		{Vector: abi.Vector{Name: "cut"}, Input: example[:len(example)*2/3+1]},
		{Vector: abi.Vector{Name: "nothing"}},
		{Vector: abi.Vector{Name: "noise"}, Input: []byte(strings.Repeat("no recording\n", 100))},
		{Vector: abi.Vector{Name: "long"}, Input: long},
		zoned,
		parts,
	}
}

// TestRailIsVetted is why the built-in decoder needs no golden vectors of its own at an installation: they are decoded
// here, as those of a dropped module are. The documents come from ordinary decodes, so what differs is the engines, or
// a snapshot and the module as it came.
func TestRailIsVetted(t *testing.T) {
	wasm := railModule(t)
	r := newRig(t, nil, map[string][]byte{"rail": wasm})
	tests := map[string]string{}
	for _, v := range railVectors() {
		doc := document(r, "rail", v)
		tests[v.Name] = golden.Hash(doc)
		if rows := strings.Count(string(doc), "\n") - 1; v.Name != "nothing" && rows < 1 {
			t.Errorf("%s: nothing came of it: %.300s", v.Name, doc)
		}
	}
	seen := &changes{changed: make(chan struct{}, 1)}
	own := vetting(t, withVectors(t, withTests(t, wasm, tests), railVectors()...), func(c *Config) { c.Recorder = seen })
	if p := installed(own); p.State != Active || p.ID != "rail" {
		t.Errorf("%s: %s", p.State, p.Reason)
	}
	seen.await(t.Context(), "compile active") // is told after it was logged
	if strings.Contains(own.log.String(), "interpreter, which") {
		t.Error("the interpreter compared a part only")
	}
	tests["long"] = tests["cut"]
	if p := installed(vetting(t, withVectors(t, withTests(t, wasm, tests), railVectors()...), nil)); p.State != Rejected {
		t.Error("a wrong hash was not noticed")
	}
}

// withTests gives a module with hashes in its manifest.
func withTests(tb testing.TB, wasm []byte, tests map[string]string) []byte {
	tb.Helper()
	raw, err := module.EmbeddedManifest(wasm)
	if err != nil {
		tb.Fatal(err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		tb.Fatal(err)
	}
	m.Tests = tests
	if raw, err = json.Marshal(&m); err != nil {
		tb.Fatal(err)
	}
	if wasm, err = module.WithoutCustom(wasm, abi.SectionManifest); err != nil {
		tb.Fatal(err)
	}
	return module.WithCustom(wasm, abi.SectionManifest, raw)
}
