package worker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
	"github.com/wayside-edge/wayside/sdk/examples/tracklog"
	sdk "github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// BenchmarkCompile compiles modules as a compile worker does, without what an installation does beside it.
// GUESTS=path:path names them.
func BenchmarkCompile(b *testing.B) {
	for p := range strings.SplitSeq(os.Getenv("GUESTS"), ":") {
		wasm, err := os.ReadFile(p)
		if err != nil {
			b.Skip("GUESTS names no modules: " + err.Error())
		}
		ctx := experimental.WithCompilationWorkers(b.Context(), compileWorkers)
		b.Run(filepath.Base(filepath.Dir(p)), func(b *testing.B) {
			for b.Loop() {
				e, err := newEngine(ctx, wasm, engineOptions{memoryMiB: 256, cacheDir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				if err := e.close(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkExamples decodes a log of 64 MiB by the example decoder, compiled natively and as each guest of
// GUESTS=path:path.
func BenchmarkExamples(b *testing.B) {
	var in bytes.Buffer
	if err := trackgen.Write(&in, trackgen.Options{Seed: 1, Bytes: benchBytes, Plain: true}); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "in.trk")
	if err := os.WriteFile(path, in.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("native", func(b *testing.B) {
		b.SetBytes(benchBytes)
		before := processorTime(b)
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			var c sdktest.Counter
			if r := tracklog.Plugin().Run(sdk.Host{Input: f, Sink: &c}); r != 0 || c.Rows[0] < 1000 {
				b.Fatal(r, c)
			}
			f.Close()
		}
		b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
	})
	raw, err := json.Marshal(tracklog.Plugin().Manifest())
	if err != nil {
		b.Fatal(err)
	}
	manifest, err := module.ParseManifest(raw)
	if err != nil {
		b.Fatal(err)
	}
	for p := range strings.SplitSeq(os.Getenv("GUESTS"), ":") {
		wasm, err := os.ReadFile(p)
		if err != nil {
			b.Skip("GUESTS names no modules: " + err.Error())
		}
		s := benchSession(b, wasm, manifest)
		b.Run(filepath.Base(filepath.Dir(p)), func(b *testing.B) {
			b.SetBytes(benchBytes)
			before := processorTime(b)
			for b.Loop() {
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				job := &wire.Decode{
					Size: int64(in.Len()), Form: table.Parquet, Tables: []string{}, Params: json.RawMessage(cmp.Or(os.Getenv("PARAMS"), "{}")),
					Output: 1 << 40, Issues: 10_000, LogBytes: 1 << 20,
				}
				if err := s.decode(b.Context(), job, f); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}
