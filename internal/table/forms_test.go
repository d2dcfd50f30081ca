package table

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// edgeTable has a row for each value that forms get wrong first, and a nullable twin of every column.
func edgeTable(tb testing.TB) (*Schema, *Batch) {
	tb.Helper()
	s := &Schema{Name: "edge"}
	b := &Batch{Rows: 6}
	ints := map[Type][6]int64{
		Bool: {0, 1, 0, 1, 0, 1},
		I8:   {math.MinInt8, math.MaxInt8, 0, -1, 1, 42}, I16: {math.MinInt16, math.MaxInt16, 0, -1, 1, 42},
		I32: {math.MinInt32, math.MaxInt32, 0, -1, 1, 42}, I64: {math.MinInt64, math.MaxInt64, 0, -1, 1 << 53, 1<<53 + 1},
		U8: {0, math.MaxUint8, 1, 2, 3, 42}, U16: {0, math.MaxUint16, 1, 2, 3, 42},
		U32: {0, math.MaxUint32, 1, 2, 3, 42}, U64: {0, -1, 1, math.MaxInt64, math.MinInt64, 42},
		F32:   bits32(float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0.1, -1e-7, math.MaxFloat32),
		F64:   bits64(math.NaN(), math.Inf(1), math.Inf(-1), 0.1, math.Copysign(0, -1), 5e-324),
		TSus:  {0, -1, 1_700_000_000_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999, 253_402_300_800_000_000},
		TSns:  {0, -1, 1_700_000_000_123_456_789, math.MinInt64, math.MaxInt64, 951_782_400_000_000_000},
		Dec32: {0, 5, -5, 123, 999_999_999, -999_999_999},
		Dec64: {0, 5, -5, 123, 999_999_999_999_999_999, -999_999_999_999_999_999},
		Enum8: {0, 1, 2, 3, 255, 0}, Enum16: {0, 1, 2, 3, 65535, 0},
	}
	words := []string{"", "plain", `quote " and, comma`, "two\nlines\ttab\x01", "Zürich 東京 \u2028 🚆", "=1+1"}
	for _, typ := range allTypes {
		v := Vector{Data: make([]byte, 6*typ.Width())}
		if typ.varlen() {
			v.Offsets = []uint32{0}
			for _, w := range words {
				v.Data = append(v.Data, w...)
				v.Offsets = append(v.Offsets, uint32(len(v.Data)))
			}
		} else {
			for i, x := range ints[typ] {
				putInt(v.Data, typ.Width(), i, x)
			}
		}
		c := Column{Name: typ.String(), Type: typ}
		if typ.Digits() > 0 {
			c.Scale = 2
		}
		if typ.enum() {
			c.Labels = []string{"info", "", "with, comma", "info"}
		}
		n := c
		n.Name, n.Nullable, n.Naive = c.Name+"_null", true, typ == TSus || typ == TSns
		nv := v
		nv.Validity = []byte{0b010101}
		s.Columns = append(s.Columns, c, n)
		b.Columns = append(b.Columns, v, nv)
	}
	if err := s.Validate(); err != nil {
		tb.Fatal(err)
	}
	if err := s.CheckBatch(b); err != nil {
		tb.Fatal(err)
	}
	return s, b
}

func bits32(f ...float32) (out [6]int64) {
	for i := range out {
		out[i] = int64(math.Float32bits(f[i]))
	}
	return out
}

func bits64(f ...float64) (out [6]int64) {
	for i := range out {
		out[i] = int64(math.Float64bits(f[i]))
	}
	return out
}

func TestTextFormsGolden(t *testing.T) {
	s, b := edgeTable(t)
	none := &Batch{Columns: make([]Vector, len(s.Columns))}
	tests := []struct {
		name    string
		form    Format
		opt     EncodeOptions
		batches []*Batch
	}{
		{"edge.ndjson", NDJSON, EncodeOptions{}, []*Batch{b}},
		{"edge-strings.ndjson", NDJSON, EncodeOptions{Int64AsString: true}, []*Batch{b}},
		{"edge.json", JSON, EncodeOptions{}, []*Batch{b}},
		{"edge.csv", CSV, EncodeOptions{}, []*Batch{b}},
		{"edge-excel.csv", CSV, EncodeOptions{BOM: true, ExcelSafe: true}, []*Batch{b}},
		{"empty.json", JSON, EncodeOptions{}, []*Batch{none}},
		{"empty.ndjson", NDJSON, EncodeOptions{}, nil},
		{"empty.csv", CSV, EncodeOptions{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := encode(t, tt.form, s, tt.opt, tt.batches...)
			path := filepath.Join("testdata", tt.name)
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("differs from %s (-want +got):\n%s", path, d)
			}
			if tt.form == JSON && !json.Valid(got) {
				t.Error("not valid JSON")
			}
		})
	}
}

func TestArrowRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		batches := []*Batch{genBatch(rt, s, 20), genBatch(rt, s, 100)}
		data := encode(t, Arrow, s, EncodeOptions{Metadata: map[string]string{"k": "v"}}, batches...)
		r, err := ipc.NewReader(bytes.NewReader(data))
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Release()
		if md := r.Schema().Metadata(); md.Len() != 1 || md.Values()[0] != "v" {
			rt.Fatalf("metadata %v", md)
		}
		var rows [][]string
		for r.Next() {
			rec := r.RecordBatch()
			for i := range int(rec.NumRows()) {
				row := make([]string, rec.NumCols())
				for j := range row {
					row[j] = arrowText(&s.Columns[j], rec.Column(j), i)
				}
				rows = append(rows, row)
			}
		}
		if err := r.Err(); err != nil {
			rt.Fatal(err)
		}
		want := texts(s, batches...)
		if len(rows) != len(want) {
			rt.Fatalf("%d rows, want %d", len(rows), len(want))
		}
		for i := range rows {
			if d := cmp.Diff(want[i], rows[i]); d != "" {
				rt.Fatalf("row %d (-want +got):\n%s", i, d)
			}
		}
	})
}

// arrowText writes an Arrow value as CSV has it, by way of a Vector of its own.
func arrowText(c *Column, a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "<null>"
	}
	fixed := func(x int64) string {
		v := Vector{Data: make([]byte, 8)}
		putInt(v.Data, c.Type.Width(), 0, x)
		return string(appendPlain(nil, c, &v, 0))
	}
	switch a := a.(type) {
	case *array.Boolean:
		return fixed(int64(boolInt(a.Value(i))))
	case *array.Int8:
		return fixed(int64(a.Value(i)))
	case *array.Int16:
		return fixed(int64(a.Value(i)))
	case *array.Int32:
		return fixed(int64(a.Value(i)))
	case *array.Int64:
		return fixed(a.Value(i))
	case *array.Uint8:
		return fixed(int64(a.Value(i)))
	case *array.Uint16:
		return fixed(int64(a.Value(i)))
	case *array.Uint32:
		return fixed(int64(a.Value(i)))
	case *array.Uint64:
		return fixed(int64(a.Value(i)))
	case *array.Float32:
		return fixed(int64(math.Float32bits(a.Value(i))))
	case *array.Float64:
		return fixed(int64(math.Float64bits(a.Value(i))))
	case *array.Timestamp:
		return fixed(int64(a.Value(i)))
	case *array.Decimal128:
		return fixed(a.Value(i).BigInt().Int64())
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		v := Vector{Data: a.Value(i), Offsets: []uint32{0, uint32(len(a.Value(i)))}}
		return string(appendPlain(nil, c, &v, 0))
	case *array.Dictionary:
		return a.ValueStr(i)
	}
	return "unexpected array"
}

// TestParquetByOtherReader reads files with parquet-go's own reader, which shares no page code with this package.
func TestParquetByOtherReader(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		batches := []*Batch{genBatch(rt, s, 20), genBatch(rt, s, 2000)}
		readByOther(rt, s, encode(t, Parquet, s, EncodeOptions{}, batches...), texts(s, batches...))
	})
}

// readByOther compares a file with what parquet-go reads in it.
func readByOther(rt *rapid.T, s *Schema, data []byte, want [][]string) {
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		rt.Fatal(err)
	}
	row := 0
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 100)
		first := row
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				for j, v := range r {
					if got := parquetText(&s.Columns[j], v); got != want[row][j] {
						rt.Fatalf("row %d column %s (%s): %q, want %q", row, s.Columns[j].Name, s.Columns[j].Type, got, want[row][j])
					}
				}
				row++
			}
			if err != nil {
				break
			}
		}
		checkOtherBounds(rt, s, g, want[first:row])
		if err := rows.Close(); err != nil {
			rt.Fatal(err)
		}
	}
	if row != len(want) {
		rt.Fatalf("%d rows, want %d", row, len(want))
	}
}

func parquetText(c *Column, v parquet.Value) string {
	if v.IsNull() {
		return "<null>"
	}
	if physical(c.Type) == 6 { // byte array
		b := v.ByteArray()
		if c.Type == Bin {
			x := Vector{Data: b, Offsets: []uint32{0, uint32(len(b))}}
			return string(appendPlain(nil, c, &x, 0))
		}
		return string(b)
	}
	var raw int64
	switch v.Kind() {
	case parquet.Boolean:
		raw = int64(boolInt(v.Boolean()))
	case parquet.Int32:
		raw = int64(v.Int32())
	case parquet.Float:
		raw = int64(math.Float32bits(v.Float()))
	case parquet.Double:
		raw = int64(math.Float64bits(v.Double()))
	default:
		raw = v.Int64()
	}
	x := Vector{Data: make([]byte, 8)}
	putInt(x.Data, c.Type.Width(), 0, raw)
	return string(appendPlain(nil, c, &x, 0))
}

// checkOtherBounds checks that every page index that is there covers every page, with bounds in it.
func checkOtherBounds(rt *rapid.T, s *Schema, g parquet.RowGroup, _ [][]string) {
	for j, cc := range g.ColumnChunks() {
		idx, err := cc.ColumnIndex()
		if err != nil {
			continue // none for a chunk with a page of NaN only
		}
		off, err := cc.OffsetIndex()
		if err != nil || off.NumPages() != idx.NumPages() {
			rt.Fatalf("column %s: %d pages, offsets %v %v", s.Columns[j].Name, idx.NumPages(), off, err)
		}
		for p := range idx.NumPages() {
			if idx.NullPage(p) {
				continue
			}
			if lo, hi := idx.MinValue(p), idx.MaxValue(p); cc.Type().Compare(lo, hi) > 0 {
				rt.Fatalf("column %s page %d: minimum %v above maximum %v", s.Columns[j].Name, p, lo, hi)
			}
		}
	}
}

func TestEmptyTableInEveryForm(t *testing.T) {
	s, _ := edgeTable(t)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{Metadata: map[string]string{"generator": "x"}}))
	if g, ok := r.Metadata("generator"); !ok || g != "x" {
		t.Errorf("metadata %q %v", g, ok)
	}
	for _, r := range []*Reader{r, Empty(s)} {
		if rows := readAll(t, r); len(rows) != 0 {
			t.Errorf("%d rows", len(rows))
		}
		for _, q := range []Query{{}, {Sort: "i64"}, {Search: "x"}} {
			p, err := r.Page(t.Context(), q)
			if err != nil || len(p.Rows) != 0 || p.Rows == nil || p.NextCursor != "" || p.Total == nil || *p.Total != 0 || len(p.Columns) != len(s.Columns) {
				t.Errorf("%+v: page %+v, error %v", q, p, err)
			}
		}
		for _, f := range Formats() {
			var buf bytes.Buffer
			if err := r.Export(t.Context(), &buf, f, Query{}, EncodeOptions{}); err != nil || (buf.Len() == 0) != (f == NDJSON) {
				t.Errorf("%s: %d bytes, error %v", f, buf.Len(), err)
			}
		}
		if _, _, ok := r.Bounds("i64"); ok {
			t.Error("bounds without rows")
		}
	}
}

func TestExportOfStoredEqualsEncoded(t *testing.T) {
	s, b := edgeTable(t)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	// Codes 0 and 3 have one label, so a stored table gives the first of them; text forms show the label.
	for _, f := range []Format{NDJSON, JSON, CSV} {
		var buf bytes.Buffer
		if err := r.Export(t.Context(), &buf, f, Query{}, EncodeOptions{}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(encode(t, f, s, EncodeOptions{}, b)), buf.String()); d != "" {
			t.Errorf("%s (-encoded +exported):\n%s", f, d)
		}
	}
}

func TestBounds(t *testing.T) {
	s, b := edgeTable(t)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	want := map[string][2]string{
		"i8": {"-128", "127"}, "u64": {"0", "18446744073709551615"}, "f64": {"null", "null"}, "f64_null": {"null", "0"},
		"dec32": {"-9999999.99", "9999999.99"}, "ts_us_null": {`"1970-01-01T00:00:00.000000"`, `"9999-12-31T23:59:59.999999"`},
		"utf8": {`""`, `"two\nlines\ttab\u0001"`},
	}
	for name, w := range want {
		lo, hi, ok := r.Bounds(name)
		if !ok {
			t.Errorf("%s: no bounds", name)
		} else if string(lo) != w[0] || string(hi) != w[1] {
			t.Errorf("%s: %s to %s, want %s to %s", name, lo, hi, w[0], w[1])
		}
	}
	for _, name := range []string{"bool", "bin", "enum8", "nope"} {
		if _, _, ok := r.Bounds(name); ok {
			t.Errorf("%s has bounds", name)
		}
	}
}
