package tracklog

import (
	"bytes"
	"testing"

	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

func input(tb testing.TB, o trackgen.Options) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := trackgen.Write(&b, o); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestWholeInput(t *testing.T) {
	r := sdktest.Run(Plugin(), bytes.NewReader(input(t, trackgen.Options{Seed: 1, Bytes: 20_000})), nil)
	if r.Code != 0 || r.Tables["records"].Len < 300 || r.Tables["events"].Len < 10 || r.Count("unknown_type") == 0 {
		t.Errorf("code %d %s, %d records, %d events, issues %v", r.Code, r.FailCode, r.Tables["records"].Len, r.Tables["events"].Len, r.Issues)
	}
	if got := r.Tables["records"].Value(0, "offset"); got != int64(32) {
		t.Errorf("offset of the first record: %v", got)
	}
}

func TestParameters(t *testing.T) {
	in := input(t, trackgen.Options{Seed: 2, Bytes: 3_800, Plain: true})
	in[32+15] ^= 1 // flags of the first record
	for _, c := range []struct {
		crc      string
		rows     int
		reported int
	}{{"keep", 100, 1}, {"drop", 99, 1}, {"ignore", 100, 0}} {
		r := sdktest.Run(Plugin(), bytes.NewReader(in), map[string]string{"crc": c.crc})
		if r.Tables["records"].Len != c.rows || r.Count("crc_mismatch") != c.reported {
			t.Errorf("%s: %d rows, %v", c.crc, r.Tables["records"].Len, r.Issues)
		}
	}
	r := sdktest.Run(Plugin(), bytes.NewReader(in), map[string]string{"min_speed": "150"})
	for i := range r.Tables["records"].Len {
		if v, _ := r.Tables["records"].Value(i, "speed").(int64); v < 15_000 {
			t.Fatalf("a speed of %d", v)
		}
	}
	if n := r.Tables["records"].Len; n == 0 || n == 100 {
		t.Errorf("%d rows of at least 150 km/h", n)
	}
}

func TestPartsAndTruncation(t *testing.T) {
	first := input(t, trackgen.Options{Seed: 3, Bytes: 500})
	second := input(t, trackgen.Options{Seed: 4, Bytes: 500})
	r := sdktest.RunParts(Plugin(), []sdktest.Part{{Name: "a", Data: first[:len(first)-3]}, {Name: "b", Data: second}}, nil)
	if r.Count("truncated") != 1 || r.Issues[0].String()[:5] != "error" {
		t.Errorf("a cut that is followed by a part: %v", r.Issues)
	}
	r = sdktest.Run(Plugin(), bytes.NewReader(first[:len(first)-3]), nil)
	if last := r.Issues[len(r.Issues)-1]; last.Code != "truncated" || last.String()[:5] != "fatal" {
		t.Errorf("a cut at the end: %v", r.Issues)
	}
}

func TestResync(t *testing.T) {
	in := input(t, trackgen.Options{Seed: 5, Bytes: 1_000, Plain: true})
	damaged := append(append(append([]byte(nil), in[:70]...), 0x5A, 0xA5, 1, 200, 9, 9), in[70:]...)
	r := sdktest.Run(Plugin(), bytes.NewReader(damaged), map[string]string{"crc": "drop"})
	if r.Code != 0 || r.Count("resync")+r.Count("crc_mismatch") == 0 || r.Tables["records"].Len < 15 {
		t.Errorf("%d rows, %v", r.Tables["records"].Len, r.Issues)
	}
}

func FuzzDecode(f *testing.F) {
	in := input(f, trackgen.Options{Seed: 6, Bytes: 600})
	for seed := range uint64(8) {
		f.Add(trackgen.Damage(in, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := sdktest.Run(Plugin(), bytes.NewReader(data), nil)
		if r.FailCode == "trap" {
			t.Fatal(r.FailText)
		}
	})
}
