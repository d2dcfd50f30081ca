package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// TestPlacesAgainstNaive asks for windows of views at offsets drawn, and for the position of rows, with what is remembered
// of earlier ones and without.
func TestPlacesAgainstNaive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		var batches []*Batch
		for range rapid.IntRange(1, 20).Draw(rt, "batches") {
			batches = append(batches, genBatch(rt, s, 24))
		}
		r := open(t, s, encodePages(t, s, rapid.IntRange(1, 4).Draw(rt, "group"), batches...))
		rows := oracle(s, batches)
		q, want, text := drawView(rt, s, rows)
		views := NewViews(1 << 20)
		q.Source = "stored"
		for range 4 {
			if q.Views = nil; rapid.Bool().Draw(rt, "remembers") {
				q.Views = views
			}
			if q.Sort != "" && rapid.Bool().Draw(rt, "deep") { // the way of offsets that are far from the beginning
				q.Views = views
				makeOrderOf(t, r, q)
			}
			q.Offset = int64(rapid.IntRange(0, len(want)+3).Draw(rt, "offset"))
			q.Count = rapid.Bool().Draw(rt, "count")
			checkWindow(rt, r, q, want, text, func(n int64) string { return rowJSON(s, batches, int(n)) })
			if len(rows) > 0 {
				checkPosition(rt, r, q, want, rows, text)
			}
		}
	})
}

func makeOrderOf(tb testing.TB, r *Reader, q Query) {
	tb.Helper()
	p, err := r.plan(q)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := r.orderOf(tb.Context(), p, q.Views.view(r, p)); err != nil {
		tb.Fatal(err)
	}
}

func checkWindow(rt *rapid.T, r *Reader, q Query, want []oracleRow, text string, json func(int64) string) {
	page, err := r.Page(context.Background(), q)
	if err != nil {
		rt.Fatal(err)
	}
	at := fmt.Sprintf("%s, search %q, sort %s %v, offset %d", text, q.Search, q.Sort, q.Desc, q.Offset)
	first := min(int(q.Offset), len(want))
	end := min(first+q.Limit, len(want))
	if len(page.Rows) != end-first || len(page.Numbers) != end-first {
		rt.Fatalf("%s: %d rows with %d numbers, want %d", at, len(page.Rows), len(page.Numbers), end-first)
	}
	for i, o := range want[first:end] {
		if page.Numbers[i] != o.row || string(page.Rows[i]) != json(o.row) {
			rt.Fatalf("%s: row %d is number %d, %s; want %d, %s", at, i, page.Numbers[i], page.Rows[i], o.row, json(o.row))
		}
	}
	if q.Count && page.Total == nil || page.Total != nil && *page.Total != int64(len(want)) {
		rt.Fatalf("%s: total %v, want %d", at, page.Total, len(want))
	}
	if more := end < len(want); more != (page.NextCursor != "") && end > first {
		rt.Fatalf("%s: next cursor %q, more %v", at, page.NextCursor, more)
	}
	if page.NextCursor != "" {
		q.Offset, q.Cursor = 0, page.NextCursor
		next, err := r.Page(context.Background(), q)
		if err != nil || len(next.Numbers) == 0 || next.Numbers[0] != want[end].row {
			rt.Fatalf("%s: the page after begins with %v, %v, want %d", at, next.Numbers, err, want[end].row)
		}
	}
}

func checkPosition(rt *rapid.T, r *Reader, q Query, want, rows []oracleRow, text string) {
	n := int64(rapid.IntRange(0, len(rows)-1).Draw(rt, "position of"))
	q.PositionOf = &n
	page, err := r.Page(context.Background(), q)
	if err != nil || page.Position == nil {
		rt.Fatal(page.Position, err)
	}
	i := slices.IndexFunc(want, func(o oracleRow) bool { return o.row == n })
	if page.Position.Found != (i >= 0) || i >= 0 && page.Position.Offset != int64(i) {
		rt.Fatalf("%s, sort %s %v: position of %d is %+v, want %d", text, q.Sort, q.Desc, n, *page.Position, i)
	}
	if i >= 0 || q.Sort != "" {
		return
	}
	before := int64(0)
	for _, o := range want {
		if o.row < n {
			before++
		}
	}
	if page.Position.Offset != before {
		rt.Fatalf("%s: row %d, which does not match, is at %d, want %d", text, n, page.Position.Offset, before)
	}
}

// TestPositionOfRowThatDoesNotMatch compares with the view in which it does.
func TestPositionOfRowThatDoesNotMatch(t *testing.T) {
	s, b := oneColumn(Column{Type: I64}, 5, 1, 4, 2, 3)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	row := int64(4)
	page, err := r.Page(t.Context(), Query{Sort: "x", Where: []Condition{where(t, s, "x:ne:3")}, PositionOf: &row})
	if err != nil {
		t.Fatal(err)
	}
	if got := *page.Position; got != (Position{Offset: 2}) {
		t.Errorf("position %+v: 1 and 2 come before 3", got)
	}
}

func TestPlacesRefused(t *testing.T) {
	s, b := oneColumn(Column{Type: I64}, 1, 2, 3)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	page, err := r.Page(t.Context(), Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	end, less := int64(3), int64(-1)
	for name, q := range map[string]Query{
		"negative": {Offset: -1}, "with a cursor": {Offset: 1, Cursor: page.NextCursor},
		"a row beyond": {PositionOf: &end}, "a row before": {PositionOf: &less},
	} {
		if _, err := r.Page(t.Context(), q); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%s: %v, want validation_failed", name, err)
		}
	}
	for _, q := range []Query{{Offset: 1 << 62}, {Offset: 1 << 62, Sort: "x"}, {Offset: 1 << 62, Where: []Condition{where(t, s, "x:gt:0")}}} {
		if page, err := r.Page(t.Context(), q); err != nil || len(page.Rows) > 0 || page.NextCursor != "" {
			t.Errorf("far beyond the end: %d rows, %v", len(page.Rows), err)
		}
	}
}

// TestCountsAreRemembered counts what is read: a second window of a filtered view reads its own row group only.
func TestCountsAreRemembered(t *testing.T) {
	plain := dayTable(t, 500_000)
	file := &readCounter{ReaderAt: plain.file}
	r, err := OpenParquet(file, plain.size, daySchema())
	if err != nil {
		t.Fatal(err)
	}
	q := Query{Where: []Condition{where(t, r.Schema(), "mode:eq:shunting")}, Columns: []string{"seq"}, Views: NewViews(1 << 20), Source: "day"}
	read := func(offset int64) int64 {
		file.bytes, q.Offset = 0, offset
		page, err := r.Page(t.Context(), q)
		if err != nil || len(page.Rows) != DefaultLimit {
			t.Fatal(len(page.Rows), err)
		}
		return file.bytes
	}
	first := read(150_000)
	if again := read(150_200); again*2 > first {
		t.Errorf("the first window read %d bytes, the next one %d", first, again)
	}
	q.Source = "another"
	if other := read(150_200); other < first/2 {
		t.Errorf("counts of one file are taken for those of another: %d bytes read, %d before", other, first)
	}
	q.Views = NewViews(1)
	if none := read(150_200); none < first/2 {
		t.Errorf("counts are remembered beyond the limit: %d bytes", none)
	}
}

// TestViewsStayWithinTheirLimit keeps more views than there is room for.
func TestViewsStayWithinTheirLimit(t *testing.T) {
	s, b := oneColumn(Column{Type: I64}, 1, 2, 3, 4)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	views := NewViews(10 * viewBytes)
	for i := range 100 {
		q := Query{Where: []Condition{where(t, s, fmt.Sprintf("x:ne:%d", i))}, Offset: 1, Views: views, Source: "a"}
		if _, err := r.Page(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if views.bytes > views.most || len(views.views) != views.used.Len() {
			t.Fatalf("%d bytes of %d, %d views, %d in order", views.bytes, views.most, len(views.views), views.used.Len())
		}
	}
	if views.used.Len() < 5 {
		t.Errorf("only %d views are remembered", views.used.Len())
	}
}

// cancelReader ends a context at a read, as a browser does that scrolls on.
type cancelReader struct {
	io.ReaderAt
	after  int
	cancel context.CancelFunc
	mu     sync.Mutex // a table may be read by several goroutines
	reads  int
}

func (c *cancelReader) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	if c.reads++; c.reads == c.after {
		c.cancel()
	}
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(p, off) //nolint:wrapcheck // io.EOF has to stay what it is
}

// TestPlacesStopWhenTheCallerHasGone counts the reads after that.
func TestPlacesStopWhenTheCallerHasGone(t *testing.T) {
	plain := dayTable(t, 500_000)
	for name, q := range map[string]Query{
		"filtered": {Offset: 300_000, Where: []Condition{where(t, plain.Schema(), "speed_kmh:ge:0")}},
		"sorted":   {Offset: 300_000, Sort: "speed_kmh"},
		"searched": {Offset: 100_000, Search: "shunting"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		file := &cancelReader{ReaderAt: plain.file, cancel: cancel}
		r, err := OpenParquet(file, plain.size, daySchema())
		if err != nil {
			t.Fatal(err)
		}
		file.after = file.reads + 5
		if _, err := r.Page(ctx, q); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if most := file.after + 8*maxParts; file.reads > most {
			t.Errorf("%s: %d reads after the end", name, file.reads-file.after)
		}
	}
}

// BenchmarkPlace asks for windows of 100 rows of 3 million: first where nothing is remembered of the view, then as
// somebody who scrolls through it.
func BenchmarkPlace(b *testing.B) {
	s, batch := railSchema(), railBatch(8192, rand.New(rand.NewPCG(1, 2)))
	var buf bytes.Buffer
	writeTable(b, Parquet, &buf, s, batch, 366)
	r := open(b, s, buf.Bytes())
	filter := []Condition{where(b, s, "type_name:in:brake,door")}
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"plain", Query{}},
		{"filtered", Query{Where: filter}},
		{"sorted", Query{Sort: "speed_kmh"}},
		{"sorted-text", Query{Sort: "packets"}},
		{"filtered-sorted", Query{Where: filter, Sort: "value", Desc: true}},
	} {
		c.q.Source = "bench"
		first, err := r.Page(b.Context(), Query{Where: c.q.Where, Count: true, Limit: 1})
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, views func() *Views, step int64) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				var took []time.Duration
				b.ReportAllocs()
				for c.q.Offset = *first.Total / 2; b.Loop(); c.q.Offset = (c.q.Offset + step) % *first.Total {
					c.q.Views = views()
					began := time.Now()
					if page, err := r.Page(b.Context(), c.q); err != nil || len(page.Rows) == 0 {
						b.Fatal(len(page.Rows), err)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*95/100])/1e6, "p95-ms")
			})
		}
		run("first", func() *Views { return NewViews(8 << 20) }, 0)
		kept := NewViews(8 << 20)
		run("scroll", func() *Views { return kept }, 100)
		run("jump", func() *Views { return kept }, *first.Total/7)
	}
}
