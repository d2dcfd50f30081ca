package table

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// TestDeltaOfEveryWidth reads what the library encodes, with and without bytes after the last block: the loop for
// common widths reads eight bytes at a time and must know where they end.
func TestDeltaOfEveryWidth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for width := range 65 {
		for _, n := range []int{0, 1, 2, 32, 33, 64, 65, 128, 129, 300} {
			want := make([]int64, n)
			for i := range want {
				if i > 0 && width > 0 {
					want[i] = want[i-1] + int64(rnd.Uint64()>>(64-width))
				}
			}
			b, err := new(delta.BinaryPackedEncoding).EncodeInt64(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range []int{8, 4, 2, 1} {
				checkDelta(t, want, slices.Clip(b), w)
				checkDelta(t, want, append(slices.Clone(b), make([]byte, 16)...), w)
			}
		}
	}
}

func checkDelta(t *testing.T, want []int64, b []byte, w int) {
	t.Helper()
	got := make([]byte, len(want)*w)
	if err := decodeDelta(got, b, len(want), w); err != nil {
		t.Fatalf("%d values of %d bytes: %v", len(want), w, err)
	}
	exp := make([]byte, len(want)*w)
	for i, x := range want {
		putInt(exp, w, i, x)
	}
	if !slices.Equal(got, exp) {
		t.Fatalf("%d values of %d bytes are others", len(want), w)
	}
}

// TestSpread moves values to every kind of place.
func TestSpread(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		rows, w := rnd.IntN(70), []int{1, 2, 4, 8}[rnd.IntN(4)]
		valid, n := make([]byte, (rows+7)/8), 0
		dense := rnd.IntN(3) > 0
		data, want := make([]byte, rows*w), make([]byte, rows*w)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		for i := range rows {
			if dense && rnd.IntN(20) > 0 || rnd.IntN(2) > 0 {
				valid[i>>3] |= 1 << (i & 7)
				copy(want[i*w:], data[n*w:(n+1)*w])
				n++
			}
		}
		spread(data, w, n, valid)
		if !slices.Equal(data, want) {
			t.Fatalf("%d rows of %d bytes, valid %x: %x, want %x", rows, w, valid, data, want)
		}
	}
}

func TestLevels(t *testing.T) {
	for raw, want := range map[string][]byte{
		"\x14\x01":                 nil,          // a run of ones
		"\x14\x00":                 {0x00, 0x00}, // a run of zeros
		"\x05\xfe\xff":             {0xfe, 0x03}, // packed, with bits after the last row
		"\x05\xff\xff":             nil,          // packed, nothing null
		"\x0a\x01\x0a\x00":         {0x1f, 0x00}, // two runs
		"\x03\xf7\x04\x01":         {0xf7, 0x03}, // packed, then a run
		"\x02\x00\x03\xff\x02\x01": {0xfe, 0x03}, // a run, packed, a run
	} {
		p, out := pageReader{}, &pageRows{rows: 10}
		n, err := p.levels(out, []byte(raw))
		count := 10
		if want != nil {
			v := Vector{Validity: want}
			count = 10 - v.nulls(10)
		}
		if err != nil || n != count || !slices.Equal(out.valid, want) {
			t.Errorf("%x: %x with %d values, error %v, want %x with %d", raw, out.valid, n, err, want, count)
		}
	}
}
