package table

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var allTypes = []Type{
	Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64, TSus, TSns, Dec32, Dec64, UTF8, Bin, Enum8, Enum16,
}

// genSchema draws a valid schema.
func genSchema(t *rapid.T) *Schema {
	n := rapid.IntRange(1, 8).Draw(t, "columns")
	s := &Schema{Name: "t"}
	for i := range n {
		c := Column{
			Name: fmt.Sprintf("c%d", i), Type: rapid.SampledFrom(allTypes).Draw(t, "type"),
			Nullable: rapid.Bool().Draw(t, "nullable"),
		}
		switch {
		case c.Type == TSus || c.Type == TSns:
			c.Naive = rapid.Bool().Draw(t, "naive")
		case c.Type.Digits() > 0:
			c.Scale = rapid.IntRange(0, c.Type.Digits()).Draw(t, "scale")
		case c.Type.enum():
			c.Labels = rapid.SampledFrom([][]string{nil, {"a", "b", "c"}, {"x", "", "ü", "7"}}).Draw(t, "labels")
		}
		s.Columns = append(s.Columns, c)
	}
	if err := s.Validate(); err != nil {
		t.Fatalf("drawn schema: %v", err)
	}
	return s
}

// genBatch draws a valid batch. Values repeat often enough for dictionaries and runs to form.
func genBatch(t *rapid.T, s *Schema, most int) *Batch {
	b := &Batch{Rows: rapid.IntRange(0, most).Draw(t, "rows"), Columns: make([]Vector, len(s.Columns))}
	for i := range s.Columns {
		b.Columns[i] = genVector(t, &s.Columns[i], b.Rows)
	}
	if err := s.CheckBatch(b); err != nil {
		t.Fatalf("drawn batch: %v", err)
	}
	return b
}

func genVector(t *rapid.T, c *Column, rows int) Vector {
	var v Vector
	if c.Nullable && rapid.Bool().Draw(t, "with nulls") {
		v.Validity = rapid.SliceOfN(rapid.Byte(), (rows+7)/8, (rows+7)/8).Draw(t, "validity")
		if v.Validity == nil {
			v.Validity = []byte{}
		}
	}
	few := rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "distinct")
	seed := rapid.Uint64().Draw(t, "seed")
	next := func() uint64 { // splitmix64: cheaper than drawing every value
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	if c.Type.varlen() {
		words := []string{"", "a", "ä\"\n,", "=1", "longer text with blanks", "\u2028", "日本", string(bytes.Repeat([]byte("z"), 90))}
		v.Offsets = make([]uint32, rows+1)
		for i := range rows {
			n := next() % uint64(few)
			if n >= uint64(len(words)) {
				v.Data = fmt.Appendf(v.Data, "v%d", n)
			} else {
				v.Data = append(v.Data, words[n]...)
			}
			v.Offsets[i+1] = uint32(len(v.Data))
		}
		if v.Data == nil {
			v.Data = []byte{}
		}
		return v
	}
	special := specials(c.Type)
	w := c.Type.Width()
	v.Data = make([]byte, rows*w)
	for i := range rows {
		n := next()
		x := int64(n % uint64(few))
		switch {
		case few == 1000 && n>>60 < 6:
			x = special[n>>40%uint64(len(special))]
		case c.Type == Bool:
			x &= 1
		case c.Type.enum() && few < 1000:
			x %= 3
		case few == 1000 && c.Type.Digits() == 0 && !c.Type.enum():
			x = int64(n)
		}
		putInt(v.Data, w, i, x)
	}
	return v
}

func specials(t Type) []int64 {
	switch t {
	case Bool:
		return []int64{0, 1}
	case F32:
		bits := func(f float32) int64 { return int64(math.Float32bits(f)) }
		return []int64{bits(float32(math.NaN())), bits(float32(math.Inf(1))), bits(float32(math.Inf(-1))), bits(float32(math.Copysign(0, -1))), 0, bits(math.MaxFloat32), bits(0.1)}
	case F64:
		bits := func(f float64) int64 { return int64(math.Float64bits(f)) }
		return []int64{bits(math.NaN()), bits(math.Inf(1)), bits(math.Inf(-1)), bits(math.Copysign(0, -1)), 0, bits(math.MaxFloat64), bits(5e-324), bits(0.1)}
	case Dec32:
		return []int64{999999999, -999999999, -1, 0}
	case Dec64:
		return []int64{999999999999999999, -999999999999999999, -1, 0}
	default:
		return []int64{0, -1, math.MaxInt64, math.MinInt64, 1 << 31, 1<<15 - 1}
	}
}

// encode writes batches in a form.
func encode(tb testing.TB, f Format, s *Schema, opt EncodeOptions, batches ...*Batch) []byte {
	tb.Helper()
	var buf bytes.Buffer
	e, err := NewEncoder(f, &buf, s, opt)
	if err != nil {
		tb.Fatal(err)
	}
	for _, b := range batches {
		if err := e.Write(b); err != nil {
			tb.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func open(tb testing.TB, s *Schema, data []byte) *Reader {
	tb.Helper()
	r, err := OpenParquet(bytes.NewReader(data), int64(len(data)), s)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// texts gives every value as it stands in CSV, nulls as a sign of their own.
func texts(s *Schema, batches ...*Batch) [][]string {
	rows := [][]string{}
	for _, b := range batches {
		for i := range b.Rows {
			row := make([]string, len(s.Columns))
			for j := range s.Columns {
				row[j] = "<null>"
				if v := &b.Columns[j]; v.Valid(i) {
					row[j] = string(appendPlain(nil, &s.Columns[j], v, i))
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func readAll(tb testing.TB, r *Reader) [][]string {
	tb.Helper()
	rows := [][]string{}
	err := r.Batches(tb.Context(), nil, func(b *Batch) error {
		if err := r.Schema().CheckBatch(b); err != nil {
			tb.Fatalf("batch read: %v", err)
		}
		rows = append(rows, texts(r.Schema(), b)...)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return rows
}

func wantRows(tb testing.TB, got, want [][]string) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			tb.Fatalf("row %d differs (-want +got):\n%s", i, cmp.Diff(want[i], got[i]))
		}
	}
}

func TestParquetRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		batches := []*Batch{genBatch(rt, s, 50), genBatch(rt, s, 3000)}
		data := encode(t, Parquet, s, EncodeOptions{}, batches...)
		r := open(t, s, data)
		want := texts(s, batches...)
		if r.Rows() != int64(len(want)) {
			rt.Fatalf("%d rows, want %d", r.Rows(), len(want))
		}
		wantRows(t, readAll(t, r), want)
	})
}
