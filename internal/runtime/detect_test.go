package runtime

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// asked gives a guest with a rule, or none, whose wayside_sniff says how sure it is.
func asked(id string, score int, rules ...abi.Sniff) []byte {
	g := runtimetest.Lines(id)
	g.Change(func(m *abi.Manifest) { m.Formats[0].Sniff = append([]abi.Sniff{}, rules...) })
	g.Func(abi.ExportSniff, nil, []byte{runtimetest.I32}, nil, i32(score))
	return g.Wasm()
}

// TestDecodersAreAskedOnlyToBreakATie recognises files by the rules alone where one of them is the best, and runs
// wayside_sniff, in a worker, where two are as good.
func TestDecodersAreAskedOnlyToBreakATie(t *testing.T) {
	seen := &changes{}
	r := newRig(t, func(c *Config) { c.Recorder = seen }, map[string][]byte{
		"low": asked("low", 10, abi.Sniff{Bytes: "cafe0000"}), "high": asked("high", 90, abi.Sniff{Bytes: "cafe0000"}),
		"alone": asked("alone", 0, abi.Sniff{Bytes: "beef0000"}),
	})
	for _, p := range r.reg.Plugins() {
		if err := waitFor(r, p.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	if d, _ := r.reg.Detect(t.Context(), []byte("\xbe\xef\x00\x00..."), 7, ""); d.Decoder != "alone" {
		t.Errorf("by its rule: %+v", d)
	}
	if got := seen.String(); strings.Contains(got, "decode") {
		t.Errorf("a decoder was asked although its rule was the only one: %s", got)
	}
	d, _ := r.reg.Detect(t.Context(), []byte("\xca\xfe\x00\x00..."), 7, "")
	if d.Decoder != "high" || len(d.Candidates) != 2 || d.Candidates[1].Decoder != "low" {
		t.Errorf("the tie: %+v", d)
	}
	if got := strings.Count(seen.String(), "decode"); got != 2 {
		t.Errorf("%d workers for two questions: %s", got, seen)
	}
}

// TestFewOfManyDecodersAreAsked recognises a file that no rule knows while many decoders have none.
func TestFewOfManyDecodersAreAsked(t *testing.T) {
	seen := &changes{}
	modules := map[string][]byte{}
	for i := range 2 * sniffCandidates {
		id := fmt.Sprintf("many%d", i)
		modules[id] = asked(id, 10*i)
	}
	r := newRig(t, func(c *Config) { c.Recorder, c.Workers = seen, 1 }, modules)
	for _, p := range r.reg.Plugins() {
		if err := waitFor(r, p.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	d, ok := r.reg.Detect(t.Context(), []byte("anything"), 8, "")
	if !ok || d.Decoder != "many3" {
		t.Errorf("%+v", d)
	}
	if got := strings.Count(seen.String(), "decode"); got != sniffCandidates {
		t.Errorf("%d decoders were asked", got)
	}
}

// manyPlugins opens a registry of n plugins of one rule each; nothing of them is compiled.
func manyPlugins(tb testing.TB, n int) *Registry {
	tb.Helper()
	fsys := fstest.MapFS{}
	for i := range n {
		id := fmt.Sprintf("many%d", i)
		fsys[id+".wasm"] = &fstest.MapFile{Data: asked(id, 0, abi.Sniff{Bytes: fmt.Sprintf("cafe%08x", i)})}
	}
	reg, err := OpenRegistry(tb.Context(), Config{Builtin: fsys, CompiledDir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	return reg
}

// TestDetectAmongManyPlugins finds each of many while none is compiled yet.
func TestDetectAmongManyPlugins(t *testing.T) {
	reg := manyPlugins(t, 300)
	for i := 0; i < 300; i += 7 {
		head := []byte{0xca, 0xfe, 0, 0, byte(i >> 8), byte(i), 1, 2}
		if d, ok := reg.Detect(t.Context(), head, 8, "x"); !ok || d.Decoder != fmt.Sprintf("many%d", i) || len(d.Candidates) != 1 {
			t.Fatalf("%d: %+v", i, d)
		}
	}
}

// BenchmarkDetect recognises a file among 300 plugins.
func BenchmarkDetect(b *testing.B) {
	reg := manyPlugins(b, 300)
	head := make([]byte, abi.SniffHead)
	copy(head, "\xca\xfe\x00\x00\x01\x2b")
	for b.Loop() {
		if d, _ := reg.Detect(b.Context(), head, 1<<20, "x"); d.Decoder != "many299" {
			b.Fatalf("%+v", d)
		}
	}
}
