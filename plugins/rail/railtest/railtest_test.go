package railtest_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/plugins/rail/recorder"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

var show = flag.Bool("show", false, "print what the example decodes to")

// decode fails on anything that a clean recording must not give.
func decode(t *testing.T, b []byte, allowed ...string) *sdktest.Result {
	t.Helper()
	r := sdktest.Run(recorder.Plugin(), bytes.NewReader(b), nil)
	if r.Code != abi.DecodeOK {
		t.Fatalf("decode: %s %s", r.FailCode, r.FailText)
	}
issues:
	for _, i := range r.Issues {
		if i.Severity == abi.Info {
			continue
		}
		for _, a := range allowed {
			if i.Code == a {
				continue issues
			}
		}
		t.Error(i)
	}
	return r
}

func TestExampleHasEveryRecordType(t *testing.T) {
	r := decode(t, railtest.Example(), "telegram_incomplete", "stale_part")
	seen := make(map[any]int)
	records := r.Tables["records"]
	for i := range records.Len {
		seen[records.Value(i, "type_name")]++
	}
	for _, c := range recorder.Plugin().Manifest().Tables[0].Columns {
		for _, l := range c.Labels {
			if l != "" && seen[l] == 0 {
				t.Errorf("no record of type %q", l)
			}
		}
	}
	for code, want := range map[string]int{"telegram_incomplete": 1, "stale_part": 4, "telegram_parts_reordered": 1} {
		if n := r.Count(code); n != want {
			t.Errorf("%d issues %s, want %d", n, code, want)
		}
	}
	if *show {
		t.Log(len(railtest.Example()), "bytes", r.Issues)
		for name, rows := range r.Tables {
			t.Log(name, rows.Len)
		}
		for i := range r.Tables["telegrams"].Len {
			v := r.Tables["telegrams"]
			t.Log(v.Value(i, "location_m"), v.Value(i, "nid_bg"), v.Value(i, "n_pig"), v.Value(i, "packets"), v.Value(i, "status"))
		}
	}
}

func TestCommittedExampleIsCurrent(t *testing.T) {
	got, err := os.ReadFile(filepath.FromSlash("../../../examples/rail/example.RU"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, railtest.Example()) {
		t.Error("examples/rail/example.RU differs from what is made: go generate ./examples/...")
	}
}

func TestRecordingsDiffer(t *testing.T) {
	seen := make(map[string]uint64)
	for seed := range uint64(50) {
		b := railtest.Recording(railtest.Options{Seed: seed, Bytes: 10_000})
		if len(b) < 10_000 || len(b) > 10_300 {
			t.Errorf("seed %d: %d bytes", seed, len(b))
		}
		if other, ok := seen[string(b)]; ok {
			t.Errorf("seeds %d and %d give the same recording", other, seed)
		}
		seen[string(b)] = seed
		r := decode(t, b, "telegram_incomplete") // at the end only
		if n := r.Count("telegram_incomplete"); n > 1 {
			t.Errorf("seed %d: %d telegrams incomplete", seed, n)
		}
		if r.Tables["telegrams"].Len == 0 {
			t.Errorf("seed %d: no telegram", seed)
		}
	}
}

func TestWriteLarge(t *testing.T) {
	var b bytes.Buffer
	const n = 2_500_000
	if err := railtest.WriteLarge(&b, n, railtest.Options{Seed: 3}); err != nil {
		t.Fatal(err)
	}
	if b.Len() < n || b.Len() > n+300 {
		t.Errorf("%d bytes", b.Len())
	}
	r := decode(t, b.Bytes(), "telegram_incomplete", "stale_part") // where a block ends within a telegram
	if n := r.Count("telegram_incomplete"); n > 3 {
		t.Errorf("%d telegrams incomplete", n)
	}
	records := r.Tables["records"]
	for i := 1; i < records.Len; i++ {
		if records.Value(i, "time").(int64) < records.Value(i-1, "time").(int64) {
			t.Fatalf("record %d goes back in time", i+1)
		}
	}
}
