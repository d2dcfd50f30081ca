package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// encodePages stores each batch as a page of its own, and every few of them as a row group.
func encodePages(tb testing.TB, s *Schema, group int, batches ...*Batch) []byte {
	tb.Helper()
	var buf bytes.Buffer
	e := newParquetEncoder(&buf, s, EncodeOptions{})
	for _, c := range e.cols {
		c.pageLimit = 1
	}
	for i, b := range batches {
		if err := e.Write(b); err != nil {
			tb.Fatal(err)
		}
		if i%group == group-1 {
			e.flushGroup()
		}
	}
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// naive is a condition and an independent judge of it.
type naive struct {
	expr  string
	cond  Condition
	holds func(o *oracleRow) bool
}

// drawNaive draws a condition, false where the judge knows no order or text.
func drawNaive(rt *rapid.T, s *Schema, rows []oracleRow) (naive, bool) {
	col := rapid.IntRange(0, len(s.Columns)-1).Draw(rt, "column")
	c := &s.Columns[col]
	op := rapid.SampledFrom([]Op{Eq, Ne, Lt, Le, Gt, Ge, In, Contains, IsNull}).Draw(rt, "op")
	lit := genLiteral(rt, c, rows, col)
	timed := c.Type == TSus || c.Type == TSns
	switch {
	case op == Contains && !c.Type.text(),
		op != Eq && op != Ne && op != In && op != IsNull && op != Contains && (c.Type == Bool || c.Type == Bin || c.Type.enum() || timed || lit == "NaN"),
		timed && strings.ContainsAny(lit[:1], "+-"): // a year that RFC 3339 cannot write
		return naive{}, false
	}
	value := lit
	want := true
	switch op {
	case In:
		value = strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(lit)
	case IsNull:
		want = rapid.Bool().Draw(rt, "null")
		value = fmt.Sprint(want)
	default:
	}
	expr := c.Name + ":" + string(op) + ":" + value
	cond, err := ParseWhere(s, expr)
	if err != nil {
		rt.Fatalf("%s of type %s: %v", expr, c.Type, err)
	}
	return naive{expr, cond, func(o *oracleRow) bool {
		switch op {
		case IsNull:
			return o.null[col] == want
		case Contains:
			return !o.null[col] && strings.Contains(o.text[col], lit)
		default:
		}
		return oracleHolds(c, op, o.text[col], lit, o.null[col])
	}}, true
}

// TestQueriesAgainstNaive compares rows, pages and exports with what going through every row by itself gives: several
// conditions, a search, a sort, over tables of several row groups and pages.
func TestQueriesAgainstNaive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		var batches []*Batch
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			batches = append(batches, genBatch(rt, s, 12))
		}
		r := open(t, s, encodePages(t, s, rapid.IntRange(1, 4).Draw(rt, "group"), batches...))
		rows := oracle(s, batches)
		q, want, text := drawView(rt, s, rows)
		got := collect(t, rt, r, q)
		if len(got) != len(want) {
			rt.Fatalf("%s, search %q: %d rows, want %d", text, q.Search, len(got), len(want))
		}
		for i := range want {
			if w := rowJSON(s, batches, int(want[i].row)); got[i] != w {
				rt.Fatalf("%s, search %q, sort %s %v: row %d is %s, want %s", text, q.Search, q.Sort, q.Desc, i, got[i], w)
			}
		}
		var out bytes.Buffer
		q.Limit = 0
		if err := r.Export(t.Context(), &out, JSON, q, EncodeOptions{}); err != nil {
			rt.Fatal(err)
		}
		var all []json.RawMessage
		if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != len(want) {
			rt.Fatalf("export: %d rows, want %d: %v", len(all), len(want), err)
		}
	})
}

// drawView draws a query and gives the rows that it is to give, in their order, by going through every row by itself.
func drawView(rt *rapid.T, s *Schema, rows []oracleRow) (q Query, want []oracleRow, text string) {
	q = Query{Limit: rapid.IntRange(1, 30).Draw(rt, "limit")}
	keep := func(*oracleRow) bool { return true }
	for range rapid.IntRange(0, 3).Draw(rt, "conditions") {
		n, ok := drawNaive(rt, s, rows)
		if !ok {
			continue
		}
		before := keep
		keep = func(o *oracleRow) bool { return before(o) && n.holds(o) }
		q.Where, text = append(q.Where, n.cond), text+" "+n.expr
	}
	if rapid.IntRange(0, 4).Draw(rt, "searches") == 0 {
		q.Search = rapid.SampledFrom([]string{"a", "V1", "ä"}).Draw(rt, "search")
	}
	for i := range rows {
		if keep(&rows[i]) && (q.Search == "" || naiveFinds(s, &rows[i], q.Search)) {
			want = append(want, rows[i])
		}
	}
	if rapid.Bool().Draw(rt, "sorted") {
		col := rapid.IntRange(0, len(s.Columns)-1).Draw(rt, "sort")
		q.Sort, q.Desc = s.Columns[col].Name, rapid.Bool().Draw(rt, "desc")
		naiveSort(s, want, col, q.Desc)
	}
	return q, want, text
}

func naiveFinds(s *Schema, o *oracleRow, search string) bool {
	for j := range s.Columns {
		if s.Columns[j].Type.text() && !o.null[j] && strings.Contains(strings.ToLower(o.text[j]), strings.ToLower(search)) {
			return true
		}
	}
	return false
}

// readCounter counts what is read of a file.
type readCounter struct {
	io.ReaderAt
	mu    sync.Mutex // a table may be read by several goroutines
	reads int
	bytes int64
	last  int64 // end of the last part of the first row group that was read
	until int64
}

func (c *readCounter) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads++
	c.bytes += int64(len(p))
	if off < c.until {
		c.last = max(c.last, off+int64(len(p)))
	}
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(p, off) //nolint:wrapcheck // io.EOF has to stay what it is
}

// TestPruning counts what is read to answer a query of few rows out of many.
func TestPruning(t *testing.T) {
	s, rnd := railSchema(), rand.New(rand.NewPCG(1, 2))
	var buf bytes.Buffer
	e, err := NewEncoder(Parquet, &buf, s, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const batch = 8192
	for i := range 40 { // 320 Ki rows, three row groups
		b := railBatch(batch, rnd)
		for row := range batch { // rows of batches follow each other
			putInt(b.Columns[0].Data, 8, row, int64(i*batch+row+1))
			putInt(b.Columns[2].Data, 8, row, int64(1_700_000_000_000_000+(i*batch+row)*100_000))
			kind := int64(0)
			if i == 22 && row < 5 {
				kind = 3
			}
			putInt(b.Columns[4].Data, 1, row, kind)
		}
		if err := e.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	file := &readCounter{ReaderAt: bytes.NewReader(buf.Bytes())}
	r, err := OpenParquet(file, int64(buf.Len()), s)
	if err != nil {
		t.Fatal(err)
	}
	file.until = r.groups[1].chunks[0].dict // where the second row group begins
	for _, c := range []struct {
		expr  string
		rows  int64
		reads int   // one of a page index, a column index, a dictionary or a page each
		bytes int64 // of a file of 4 MB
	}{
		{"seq:eq:200000", 1, 8, 20_000},
		{"seq:in:200000,200001", 2, 8, 20_000},
		{"seq:gt:327670", 10, 8, 20_000},
		{"time:ge:2023-11-15T06:30:00", 16801, 15, 40_000},
		{"type_name:eq:door", 5, 10, 20_000},
		{"seq:lt:0", 0, 0, 0},
		{"speed_kmh:is_null:true", 0, 0, 0},
	} {
		file.reads, file.bytes, file.last = 0, 0, 0
		p, err := r.Page(t.Context(), Query{Where: []Condition{where(t, s, c.expr)}, Columns: []string{"seq", "speed_kmh"}, Limit: MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(len(p.Rows)); n != min(c.rows, MaxLimit) {
			t.Errorf("%s: %d rows, want %d", c.expr, n, c.rows)
		}
		if file.reads > c.reads || file.bytes > c.bytes || file.last > 0 {
			t.Errorf("%s: %d reads of %d bytes, up to %d in the first row group; at most %d of %d are needed", c.expr, file.reads, file.bytes, file.last, c.reads, c.bytes)
		}
		t.Logf("%-28s %3d reads, %6d of %d bytes", c.expr, file.reads, file.bytes, buf.Len())
	}
}

func TestIntersect(t *testing.T) {
	a := []span{{0, 10}, {20, 30}, {40, 50}}
	got := intersect(a, []span{{5, 25}, {28, 29}, {50, 60}})
	if want := []span{{5, 10}, {20, 25}, {28, 29}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got = intersect(a, nil); got != nil {
		t.Errorf("%v", got)
	}
}
