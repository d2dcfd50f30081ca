package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// genStored draws a table and gives its reader with what is in it.
func genStored(t *testing.T, rt *rapid.T) (*Reader, []*Batch) {
	t.Helper()
	s := genSchema(rt)
	batches := []*Batch{genBatch(rt, s, 40), genBatch(rt, s, 200)}
	return open(t, s, encode(t, Parquet, s, EncodeOptions{}, batches...)), batches
}

// oracleRow is a row as an independent judge sees it: the JSON values.
type oracleRow struct {
	row  int64
	text []string // "" with null set
	null []bool
	raw  []int64
}

func oracle(s *Schema, batches []*Batch) []oracleRow {
	var out []oracleRow
	for _, b := range batches {
		for i := range b.Rows {
			o := oracleRow{row: int64(len(out)), text: make([]string, len(s.Columns)), null: make([]bool, len(s.Columns)), raw: make([]int64, len(s.Columns))}
			for j := range s.Columns {
				v := &b.Columns[j]
				if o.null[j] = !v.Valid(i); o.null[j] {
					continue
				}
				o.text[j] = string(appendPlain(nil, &s.Columns[j], v, i))
				if !s.Columns[j].Type.varlen() {
					o.raw[j] = v.Int(s.Columns[j].Type, i)
				}
				// A code without a label reads as its number; where a label reads the same, a table holds the two as one.
				if l := slices.Index(s.Columns[j].Labels, o.text[j]); l >= 0 {
					o.raw[j] = int64(l)
				}
			}
			out = append(out, o)
		}
	}
	return out
}

// oracleCompare compares a value with a literal by big rationals, floats, or text. ok is false where there is no order.
func oracleCompare(c *Column, text, lit string) (cmp int, ok bool) {
	switch c.Type {
	case I8, I16, I32, I64, U8, U16, U32, U64, Dec32, Dec64:
		a, _ := new(big.Rat).SetString(text)
		b, _ := new(big.Rat).SetString(lit)
		return a.Cmp(b), true
	case F32, F64:
		a, _ := strconv.ParseFloat(text, 64)
		b, _ := strconv.ParseFloat(lit, 64)
		if c.Type == F32 {
			a, b = float64(float32(a)), float64(float32(b))
		}
		if math.IsNaN(a) || math.IsNaN(b) {
			return 0, false
		}
		switch {
		case a < b:
			return -1, true
		case a > b:
			return 1, true
		}
		return 0, true
	default: // text, hex, true/false, and times of four-digit years compare as they read
		return strings.Compare(text, lit), true
	}
}

func oracleHolds(c *Column, op Op, text, lit string, null bool) bool {
	if op == IsNull || null {
		return op == IsNull && null
	}
	cmp, ok := oracleCompare(c, text, lit)
	switch {
	case !ok:
		same := text == "NaN" && lit == "NaN"
		return (same && (op == Eq || op == In)) || (!same && op == Ne)
	case op == In:
		return cmp == 0
	default:
		return op.holds(cmp)
	}
}

func genLiteral(rt *rapid.T, c *Column, rows []oracleRow, col int) string {
	var have []string
	for i := range rows {
		if !rows[i].null[col] {
			have = append(have, rows[i].text[col])
		}
	}
	if len(have) > 0 && rapid.IntRange(0, 3).Draw(rt, "from the table") > 0 {
		return rapid.SampledFrom(have).Draw(rt, "literal")
	}
	switch c.Type {
	case Bool:
		return "true"
	case UTF8:
		return "v2"
	case Bin:
		return "61"
	case Enum8, Enum16:
		return "9" // a code without a label
	case Dec32, Dec64:
		return rapid.SampledFrom([]string{"0", "-0.0000000000000000001", "1.05", "99999999999999999999999", "-1.5"}).Draw(rt, "literal")
	case F32, F64:
		return rapid.SampledFrom([]string{"0", "-0", "0.1", "Inf", "1e3"}).Draw(rt, "literal")
	case TSus, TSns: // as the oracle's texts are written
		lit := "1970-01-01T00:00:00.000001"
		if c.Type == TSns {
			lit += "000"
		}
		if !c.Naive {
			lit += "Z"
		}
		return lit
	default:
		return "2"
	}
}

func TestWhereAgainstOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, batches := genStored(t, rt)
		s := r.Schema()
		rows := oracle(s, batches)
		col := rapid.IntRange(0, len(s.Columns)-1).Draw(rt, "column")
		c := &s.Columns[col]
		op := rapid.SampledFrom([]Op{Eq, Ne, Lt, Le, Gt, Ge, In, IsNull}).Draw(rt, "op")
		lit := genLiteral(rt, c, rows, col)
		switch {
		case op == IsNull:
			lit = "true"
		case op == In:
			lit = strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(lit)
		case op != Eq && op != Ne && (c.Type == Bool || c.Type == Bin || c.Type.enum() || c.Type == TSus || c.Type == TSns || lit == "NaN"):
			return // no order, or one that texts do not show: TestWhereOrder
		}
		if c.Type == TSus || c.Type == TSns {
			if strings.ContainsAny(lit[:1], "+-") {
				return // a year that RFC 3339 cannot write
			}
		}
		cond, err := ParseWhere(s, c.Name+":"+string(op)+":"+lit)
		if err != nil {
			rt.Fatalf("%s %s %q: %v", c.Type, op, lit, err)
		}
		if op == In {
			lit = splitList(lit)[0]
		}
		var want []string
		for _, o := range rows {
			if oracleHolds(c, op, o.text[col], lit, o.null[col]) {
				want = append(want, strconv.FormatInt(o.row, 10))
			}
		}
		got := collect(t, rt, r, Query{Where: []Condition{cond}, Limit: 7})
		if len(got) != len(want) {
			rt.Fatalf("%s %s %q: %d rows, want %d", c.Type, op, lit, len(got), len(want))
		}
		for i := range want {
			n, _ := strconv.Atoi(want[i])
			if w := rowJSON(s, batches, n); got[i] != w {
				rt.Fatalf("%s %s %q: row %d is %s, want %s", c.Type, op, lit, i, got[i], w)
			}
		}
	})
}

// rowJSON writes a row of the table from what was put into it.
func rowJSON(s *Schema, batches []*Batch, n int) string {
	for _, b := range batches {
		if n < b.Rows {
			var row []byte
			for j := range s.Columns {
				row = append(row, ",["[boolInt(j == 0)])
				row = jsonForm{}.appendJSON(row, &s.Columns[j], &b.Columns[j], n)
			}
			return string(append(row, ']'))
		}
		n -= b.Rows
	}
	return ""
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// collect reads all pages of a query.
func collect(t *testing.T, rt *rapid.T, r *Reader, q Query) []string {
	t.Helper()
	var out []string
	for range 10000 {
		p, err := r.Page(t.Context(), q)
		if err != nil {
			rt.Fatal(err)
		}
		for _, row := range p.Rows {
			if !json.Valid(row) {
				rt.Fatalf("not JSON: %s", row)
			}
			out = append(out, string(row))
		}
		if p.Total != nil && p.NextCursor == "" && q.Cursor == "" && *p.Total != int64(len(p.Rows)) {
			rt.Fatalf("total %d, rows %d", *p.Total, len(p.Rows))
		}
		if p.NextCursor == "" {
			return out
		}
		q.Cursor = p.NextCursor
	}
	rt.Fatal("pages without end")
	return nil
}

// naiveSort sorts rows by a column.
func naiveSort(s *Schema, rows []oracleRow, col int, desc bool) {
	c := &s.Columns[col]
	slices.SortStableFunc(rows, func(a, b oracleRow) int {
		missA, missB := a.null[col] || a.text[col] == "NaN" && !c.Type.text(), b.null[col] || b.text[col] == "NaN" && !c.Type.text()
		if missA || missB {
			return boolInt(missA) - boolInt(missB)
		}
		var x int
		switch c.Type {
		case TSus, TSns, Enum8, Enum16, Bool:
			x = int(min(max(a.raw[col]-b.raw[col], -1), 1))
			if a.raw[col] < 0 != (b.raw[col] < 0) { // the difference may overflow
				x = 1 - 2*boolInt(a.raw[col] < b.raw[col])
			}
		default:
			x, _ = oracleCompare(c, a.text[col], b.text[col])
		}
		if desc {
			return -x
		}
		return x
	})
}

func TestSortedPagesAndExport(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, batches := genStored(t, rt)
		s := r.Schema()
		rows := oracle(s, batches)
		col := rapid.IntRange(0, len(s.Columns)-1).Draw(rt, "column")
		c := &s.Columns[col]
		desc := rapid.Bool().Draw(rt, "desc")
		naiveSort(s, rows, col, desc)
		q := Query{Sort: c.Name, Desc: desc, Limit: rapid.IntRange(1, 100).Draw(rt, "limit")}
		got := collect(t, rt, r, q)
		if len(got) != len(rows) {
			rt.Fatalf("%d rows, want %d", len(got), len(rows))
		}
		for i := range rows {
			if w := rowJSON(s, batches, int(rows[i].row)); got[i] != w {
				rt.Fatalf("sorted by %s: row %d is %s, want %s", c.Type, i, got[i], w)
			}
		}
		var buf bytes.Buffer
		q.Limit = 0
		if err := r.Export(t.Context(), &buf, NDJSON, q, EncodeOptions{}); err != nil {
			rt.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
		for i := range rows {
			if w := rowJSON(s, batches, int(rows[i].row)); values(rt, lines[i]) != w {
				rt.Fatalf("export row %d is %s, want %s", i, lines[i], w)
			}
		}
	})
}

// values gives the values of a JSON object as they stand in it, as an array.
func values(rt *rapid.T, line string) string {
	d := json.NewDecoder(strings.NewReader(line))
	if _, err := d.Token(); err != nil {
		rt.Fatal(err)
	}
	var out []string
	for d.More() {
		var v json.RawMessage
		if _, err := d.Token(); err != nil {
			rt.Fatal(err)
		}
		if err := d.Decode(&v); err != nil {
			rt.Fatal(err)
		}
		out = append(out, string(v))
	}
	return "[" + strings.Join(out, ",") + "]"
}

func TestSearchAndFilteredExport(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, batches := genStored(t, rt)
		s := r.Schema()
		q := rapid.SampledFrom([]string{"A", "ä", "LONGER", "v1", "日", "nowhere"}).Draw(rt, "search")
		want := []string{}
		for _, o := range oracle(s, batches) {
			for j := range s.Columns {
				if s.Columns[j].Type.text() && !o.null[j] && strings.Contains(strings.ToLower(o.text[j]), strings.ToLower(q)) {
					want = append(want, rowJSON(s, batches, int(o.row)))
					break
				}
			}
		}
		if got := collect(t, rt, r, Query{Search: q, Limit: 11}); !slices.Equal(got, want) && len(want)+len(got) > 0 {
			rt.Fatalf("search %q: got %q, want %q", q, got, want)
		}
		var buf bytes.Buffer
		if err := r.Export(t.Context(), &buf, NDJSON, Query{Search: q}, EncodeOptions{}); err != nil {
			rt.Fatal(err)
		}
		got := []string{}
		for line := range strings.Lines(buf.String()) {
			got = append(got, values(rt, line))
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("export of search %q: got %q, want %q", q, got, want)
		}
	})
}

func oneColumn(c Column, vals ...int64) (*Schema, *Batch) {
	c.Name = "x"
	s := &Schema{Name: "t", Columns: []Column{c}}
	b := &Batch{Rows: len(vals), Columns: []Vector{{Data: make([]byte, len(vals)*c.Type.Width())}}}
	for i, x := range vals {
		putInt(b.Columns[0].Data, c.Type.Width(), i, x)
	}
	return s, b
}

func TestWhereOrder(t *testing.T) {
	sec := func(s int64) int64 { return s * 1e6 }
	tests := []struct {
		col  Column
		vals []int64
		expr string
		want string
	}{
		{Column{Type: TSus, Naive: true}, []int64{0, sec(1), sec(2)}, "x:ge:1970-01-01T00:00:01", "[1 2]"},
		{Column{Type: TSus, Naive: true}, []int64{0, sec(1), sec(2)}, "x:ge:1970-01-01T00:00:01+05:00", "[1 2]"},
		{Column{Type: TSus}, []int64{0, sec(1), sec(3601)}, "x:eq:1970-01-01T02:00:01+01:00", "[2]"},
		{Column{Type: TSus}, []int64{0, sec(1), sec(2)}, "x:lt:1970-01-01T00:00:01.0000001Z", "[0 1]"},
		{Column{Type: TSus}, []int64{0, sec(1), sec(2)}, "x:gt:1969-12-31", "[0 1 2]"},
		{Column{Type: TSns}, []int64{math.MinInt64, 0, math.MaxInt64}, "x:lt:9999-01-01T00:00:00Z", "[0 1 2]"},
		{Column{Type: TSns}, []int64{math.MinInt64, 0, math.MaxInt64}, "x:gt:0001-01-01T00:00:00Z", "[1 2]"},
		{Column{Type: Enum8, Labels: []string{"info", "warning", "error"}}, []int64{2, 0, 1, 7}, "x:ge:warning", "[0 2 3]"},
		{Column{Type: Enum8, Labels: []string{"spare", "spare", "error"}}, []int64{0, 1, 2}, "x:eq:spare", "[0 1]"},
		{Column{Type: Enum8, Labels: []string{"spare", "spare", "error"}}, []int64{0, 1, 2}, "x:ne:spare", "[2]"},
		{Column{Type: Enum16, Labels: []string{"a,b"}}, []int64{0, 300}, `x:in:a\,b,7`, "[0]"},
		{Column{Type: Enum16, Labels: []string{"alpha"}}, []int64{0, 300}, `x:contains:30`, "[1]"},
		{Column{Type: Dec32, Scale: 2}, []int64{-101, -100, 100, 101}, "x:gt:1.005", "[3]"},
		{Column{Type: Dec32, Scale: 2}, []int64{-101, -100, 100, 101}, "x:lt:-1.005", "[0]"},
		{Column{Type: Dec32, Scale: 2}, []int64{-101, -100, 100, 101}, "x:eq:1.005", "[]"},
		{Column{Type: Dec32, Scale: 2}, []int64{-101, -100, 100, 101}, "x:ne:1.00", "[0 1 3]"},
		{Column{Type: U64}, []int64{0, -1}, "x:gt:9223372036854775808", "[1]"},
		{Column{Type: F64}, []int64{0, int64(math.Float64bits(math.Copysign(0, -1)))}, "x:eq:0", "[0 1]"},
		{Column{Type: F64}, []int64{0, int64(math.Float64bits(math.Copysign(0, -1)))}, "x:lt:0", "[]"},
		{Column{Type: F64}, []int64{0, int64(math.Float64bits(math.NaN()))}, "x:eq:NaN", "[1]"},
		{Column{Type: Bool}, []int64{0, 1}, "x:eq:true", "[1]"},
		{Column{Type: I8}, []int64{-1, 1}, "x:is_null:false", "[0 1]"},
		{Column{Type: I8}, []int64{-1, 1}, "x:is_null", "[]"},
	}
	for _, tt := range tests {
		s, b := oneColumn(tt.col, tt.vals...)
		r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
		c, err := ParseWhere(s, tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		p, err := r.plan(Query{Where: []Condition{c}})
		if err != nil {
			t.Fatal(err)
		}
		p.limit = 100
		sel, err := r.selectOrdered(t.Context(), p, newView(r, viewKey{}), -1)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(append([]int64{}, sel.rows...)); got != tt.want {
			t.Errorf("%s %s: rows %s, want %s", tt.col.Type, tt.expr, got, tt.want)
		}
	}
}

func TestWhereRefuses(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{
		{Name: "i", Type: I8},
		{Name: "u", Type: U16},
		{Name: "f", Type: F32},
		{Name: "d", Type: Dec32, Scale: 2},
		{Name: "b", Type: Bool},
		{Name: "s", Type: UTF8},
		{Name: "x", Type: Bin},
		{Name: "t", Type: TSus},
		{Name: "e", Type: Enum8, Labels: []string{"a"}},
	}}
	for _, expr := range []string{
		"", "i", "i:eq", "nope:eq:1", "i:like:1", "i:eq:", "i:eq:1.5", "i:eq:128", "u:eq:-1", "f:eq:one", "f:lt:NaN", "d:eq:1e3", "d:eq:.",
		"b:lt:true", "b:eq:1", "x:eq:zz", "x:lt:00", "t:eq:yesterday", "t:eq:2024-13-01", "e:eq:b", "e:eq:256", "e:eq:01", "i:contains:1", "i:in:1,x", "s:is_null:maybe",
	} {
		if _, err := ParseWhere(s, expr); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%q: error %v, want validation_failed", expr, err)
		}
	}
}

func FuzzParseWhere(f *testing.F) {
	s := &Schema{Name: "t"}
	for i, typ := range allTypes {
		c := Column{Name: "c" + strconv.Itoa(i), Type: typ}
		if typ.Digits() > 0 {
			c.Scale = 3
		}
		s.Columns = append(s.Columns, c)
		for _, v := range []string{"eq:1", "lt:-1.5", "in:1,2\\,3", "ge:2024-02-29T23:59:60Z", "contains:ab", "is_null:", "eq:1e999"} {
			f.Add(c.Name + ":" + v)
		}
	}
	f.Fuzz(func(t *testing.T, expr string) {
		c, err := ParseWhere(s, expr)
		if err != nil {
			if !errcode.Is(err, errcode.ValidationFailed) {
				t.Fatalf("%q: %v", expr, err)
			}
			return
		}
		col := &s.Columns[c.column]
		v := Vector{Data: make([]byte, 8), Offsets: []uint32{0, 8}}
		c.filter(col, &v, []bool{true})
		c.excludes(col, &chunk{nulls: 0, bound: bounds{ok: true, bytes: col.Type.varlen()}}, 1)
	})
}

func FuzzCursor(f *testing.F) {
	s, b := oneColumn(Column{Type: I32}, 5, 4, 3, 2, 1)
	var buf bytes.Buffer
	e := newParquetEncoder(&buf, s, EncodeOptions{})
	if err := errorsOf(e.Write(b), e.Close()); err != nil {
		f.Fatal(err)
	}
	r := open(f, s, buf.Bytes())
	p, err := r.Page(f.Context(), Query{Limit: 2})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.NextCursor)
	f.Add("")
	f.Add("AQEAAAAA")
	f.Fuzz(func(t *testing.T, cur string) {
		for _, q := range []Query{{Cursor: cur}, {Cursor: cur, Sort: "x"}} {
			if _, err := r.Page(t.Context(), q); err != nil && !errcode.Is(err, errcode.Malformed) {
				t.Fatalf("%q: %v", cur, err)
			}
		}
	})
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestCursorBelongsToItsQuery(t *testing.T) {
	s, b := oneColumn(Column{Type: I32}, 5, 4, 3, 2, 1)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	p, err := r.Page(t.Context(), Query{Limit: 2, Sort: "x"})
	if err != nil || p.NextCursor == "" {
		t.Fatalf("page: %v, cursor %q", err, p.NextCursor)
	}
	for _, q := range []Query{{Sort: "x", Desc: true}, {}, {Sort: "x", Search: "a"}} {
		q.Cursor = p.NextCursor
		if _, err := r.Page(t.Context(), q); !errcode.Is(err, errcode.Malformed) {
			t.Errorf("%+v: error %v, want malformed", q, err)
		}
	}
	if _, err := r.Page(t.Context(), Query{Sort: "x", Columns: []string{"x"}, Cursor: p.NextCursor}); err != nil {
		t.Errorf("other columns: %v", err)
	}
	other := open(t, s, encode(t, Parquet, s, EncodeOptions{Metadata: map[string]string{"wayside.file.sha256": "ab"}}, b))
	if _, err := other.Page(t.Context(), Query{Sort: "x", Cursor: p.NextCursor}); !errcode.Is(err, errcode.Malformed) {
		t.Errorf("a table of another recording: error %v, want malformed", err)
	}
}

// TestTimesAtTheEndsOfTheRange: the first and the last second of nanoseconds are there in part only.
func TestTimesAtTheEndsOfTheRange(t *testing.T) {
	for s, want := range map[string]int64{
		"2262-04-11T23:47:16.854775807Z": math.MaxInt64,
		"2262-04-11T23:47:16Z":           math.MaxInt64 - 854775807,
		"1677-09-21T00:12:43.145224192Z": math.MinInt64,
		"1677-09-21T00:12:43.999999999Z": math.MinInt64 + 854775807,
	} {
		got, ok := parseTime(TSns, s, false)
		if !ok || got.key != want || got.above {
			t.Errorf("%s: %+v %v, want %d", s, got, ok, want)
		}
	}
	if got, _ := parseTime(TSns, "2262-04-11T23:47:16.854775808Z", false); !got.above {
		t.Errorf("a time beyond the range is %+v", got)
	}
}
