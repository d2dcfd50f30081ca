package runtime

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/internal/zone"
)

// railModule gives the built rail decoder, a real guest made by the Go compiler.
func railModule(tb testing.TB) []byte {
	tb.Helper()
	if raceEnabled {
		tb.Skip("compiling a Go guest takes half a minute under the race detector")
	}
	b, err := os.ReadFile(filepath.Join("..", "..", "plugins", "dist", "rail.wasm"))
	if err != nil {
		tb.Skip("plugins/dist/rail.wasm is not built: go run ./plugins/build")
	}
	return b
}

func railRecording(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "examples", "rail", "example.RU"))
	if err != nil {
		tb.Skip("examples/rail/example.RU is absent")
	}
	return b
}

// decodeAll decodes input with the rail decoder in every form and gives the files.
func decodeAll(t *testing.T, r *rig, input []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, form := range []table.Format{table.NDJSON, table.Parquet} {
		j := r.request("rail", input)
		j.Form = form
		res := r.decode(j)
		if res.Status == Failed {
			t.Fatalf("%+v", res.Failure)
		}
		for _, tab := range res.Tables {
			out[string(form)+" "+tab.Schema.Name] = j.file(tab.Schema.Name)
			if tab.Rows > 0 == (j.file(tab.Schema.Name) == "") {
				t.Errorf("table %s has %d rows and a file of %d bytes", tab.Schema.Name, tab.Rows, len(j.file(tab.Schema.Name)))
			}
		}
	}
	return out
}

// TestSnapshotDecodesLikeAFreshModule compares what an initialised module writes with what the same module writes
// that initialises itself in every instance, and both with a second run.
func TestSnapshotDecodesLikeAFreshModule(t *testing.T) {
	module, input := railModule(t), railRecording(t)
	snap := newRig(t, nil, map[string][]byte{"rail": module})
	plain := newRig(t, func(c *Config) { c.plainInit = true }, map[string][]byte{"rail": module})
	want := decodeAll(t, plain, input)
	for range 2 {
		if diff := cmp.Diff(want, decodeAll(t, snap, input)); diff != "" {
			t.Fatalf("a snapshot decodes differently (-fresh +snapshot):\n%.2000s", diff)
		}
	}
	snap.reg.mu.Lock()
	defer snap.reg.mu.Unlock()
	if !snap.reg.places[0].now.record.Initialised {
		t.Error("the module was not stored initialised")
	}
}

// TestRailCutAnywhere decodes a recording cut at many places: never a crash, never a hang, never an error.
func TestRailCutAnywhere(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"rail": railModule(t)})
	input := railRecording(t)
	for n := 1; n < len(input); n += 1 + len(input)/25 {
		res := r.decode(r.request("rail", input[:n]))
		if res.BytesRead > int64(n) {
			t.Fatalf("cut at %d: %d bytes read", n, res.BytesRead)
		}
	}
}

// BenchmarkRailWarm is the round trip of a small recording to a warm worker, five tables encoded.
func BenchmarkRailWarm(b *testing.B) {
	for _, plain := range []bool{false, true} {
		b.Run(map[bool]string{false: "snapshot", true: "fresh"}[plain], func(b *testing.B) {
			r := newRig(b, func(c *Config) { c.plainInit = plain; c.Recycle = 1 << 30 }, map[string][]byte{"rail": railModule(b)})
			for _, only := range []struct {
				name   string
				tables []string
			}{{"all", nil}, {"nothing encoded", []string{}}} {
				b.Run(only.name, func(b *testing.B) {
					j := r.request("rail", railRecording(b))
					j.Form, j.Tables = table.Parquet, only.tables
					r.decode(j)
					for b.Loop() {
						r.decode(j)
					}
				})
			}
		})
	}
}

// BenchmarkRailStart starts a worker and decodes one small recording.
func BenchmarkRailStart(b *testing.B) {
	r := newRig(b, func(c *Config) { c.Recycle = 1 }, map[string][]byte{"rail": railModule(b)})
	j := r.request("rail", railRecording(b))
	j.Tables = []string{}
	r.decode(j)
	for b.Loop() {
		r.decode(j)
	}
}

// BenchmarkRailCompile installs the rail decoder.
func BenchmarkRailCompile(b *testing.B) {
	module := railModule(b)
	for b.Loop() {
		r := newRig(b, nil, map[string][]byte{"rail": module})
		p, _ := r.reg.Get("rail")
		if err := r.reg.Wait(b.Context(), p.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRailParallel decodes small recordings on all workers, five tables encoded.
func BenchmarkRailParallel(b *testing.B) {
	r := newRig(b, nil, map[string][]byte{"rail": railModule(b)})
	input := railRecording(b)
	r.decode(r.request("rail", input))
	b.ResetTimer()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		j := r.request("rail", input)
		j.Form = table.Parquet
		for pb.Next() {
			if _, err := r.pool.Decode(b.Context(), j.Request); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// TestRailInATimeZone decodes a recording with and without a zone: the same rows, and instants that the clock of the
// zone shows as the recording has them.
func TestRailInATimeZone(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"rail": railModule(t)})
	input := railRecording(t)
	plain := r.request("rail", input)
	rows := r.decode(plain).Rows
	params, err := r.reg.Params("rail", map[string]string{"timezone": "america/new_york"})
	if err != nil {
		t.Fatal(err)
	}
	zoned := r.request("rail", input)
	zoned.Params = params
	if res := r.decode(zoned); res.Rows != rows || rows == 0 {
		t.Fatalf("%d rows, %d without a zone", res.Rows, rows)
	}
	loc, err := zone.Load("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	type record struct {
		Time *string `json:"time"`
	}
	was, is := json.NewDecoder(strings.NewReader(plain.file("records"))), json.NewDecoder(strings.NewReader(zoned.file("records")))
	times := 0
	for was.More() {
		var a, b record
		if err := errors.Join(was.Decode(&a), is.Decode(&b)); err != nil {
			t.Fatal(err)
		}
		if a.Time == nil || b.Time == nil {
			if a.Time != b.Time {
				t.Fatalf("%v became %v", a.Time, b.Time)
			}
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, *b.Time)
		if err != nil || !strings.HasSuffix(*b.Time, "Z") {
			t.Fatalf("%s became %s: %v", *a.Time, *b.Time, err)
		}
		if got := at.In(loc).Format("2006-01-02T15:04:05.000000"); got != *a.Time {
			t.Fatalf("%s became %s, which is %s there", *a.Time, *b.Time, got)
		}
		times++
	}
	if times == 0 {
		t.Error("no times")
	}
}
