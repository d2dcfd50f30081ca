package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// encodeGroups stores each batch as a row group of its own, so that small tables have several.
func encodeGroups(tb testing.TB, s *Schema, batches ...*Batch) []byte {
	tb.Helper()
	var buf bytes.Buffer
	e := newParquetEncoder(&buf, s, EncodeOptions{})
	for _, b := range batches {
		if err := e.Write(b); err != nil {
			tb.Fatal(err)
		}
		e.flushGroup()
	}
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// drawColumns draws columns of which draws holds.
func drawColumns(rt *rapid.T, s *Schema, most int, fits func(Type) bool) []int {
	var all []int
	for i := range s.Columns {
		if fits(s.Columns[i].Type) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		rt.Skip("no such column")
	}
	return rapid.SliceOfN(rapid.SampledFrom(all), 1, most).Draw(rt, "columns")
}

// drawBound draws a value of x that stands in the table, as text and as a number.
func (m *modelSeries) drawBound(rt *rapid.T, all []oracleRow) (string, *big.Rat) {
	if len(all) == 0 || rapid.Bool().Draw(rt, "open") {
		return "", nil
	}
	o := rapid.SampledFrom(all).Draw(rt, "bound")
	x, ok := m.exact(m.x, &o)
	if !ok || o.null[m.x] || strings.HasPrefix(o.text[m.x], "+") || strings.HasPrefix(o.text[m.x], "-") && m.s.Columns[m.x].Type.measuresTime() {
		return "", nil
	}
	return o.text[m.x], x
}

func (t Type) measuresTime() bool { return t == TSus || t == TSns }

func TestSeriesAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		m := &modelSeries{s: s, x: drawColumns(rt, s, 1, Type.measures)[0], y: drawColumns(rt, s, 3, Type.draws)}
		batches := []*Batch{genBatch(rt, s, 40), genBatch(rt, s, 200), genBatch(rt, s, 20)}
		r := open(t, s, encodeGroups(t, s, batches...))
		all := oracle(s, batches)
		q := SeriesQuery{X: s.Columns[m.x].Name, Points: rapid.SampledFrom([]int{1, 2, 7, 30, 100, 2000}).Draw(rt, "points")}
		for _, n := range m.y {
			q.Y = append(q.Y, s.Columns[n].Name)
		}
		if col := rapid.IntRange(-1, len(s.Columns)-1).Draw(rt, "filtered"); col >= 0 {
			q.Where = []Condition{where(t, s, s.Columns[col].Name+":is_null:false")}
			m.rows = slices.DeleteFunc(slices.Clone(all), func(o oracleRow) bool { return o.null[col] })
		} else {
			m.rows = all
		}
		var lo, hi *big.Rat
		q.From, lo = m.drawBound(rt, all)
		q.To, hi = m.drawBound(rt, all)
		if lo != nil && hi != nil && lo.Cmp(hi) > 0 {
			q.From, q.To, lo, hi = q.To, q.From, hi, lo
		}
		got, err := r.Series(t.Context(), q)
		if err != nil {
			rt.Fatalf("%+v: %v", q, err)
		}
		a, want := answerOf(t, got), m.answer(lo, hi, q.Points)
		if s.Columns[m.x].Type.float() && want.Buckets > 0 {
			checkFloatAxis(rt, a.X, want.Buckets)
			a.X, want.X = nil, nil // as rounded as floats are
		}
		if diff := cmp.Diff(want, a); diff != "" {
			rt.Fatalf("%+v over %s (-want +got):\n%s", q, s.Columns[m.x].Type, diff)
		}
	})
}

func checkFloatAxis(rt *rapid.T, got []string, buckets int) {
	prev := math.Inf(-1)
	for _, text := range got {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x < prev || len(got) != buckets {
			rt.Fatalf("%d buckets begin at %v", buckets, got)
		}
		prev = x
	}
}

// TestSeriesAxis holds the division of narrow and wide ranges against big numbers, next to every border.
func TestSeriesAxis(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	wins := []window{
		{0, 0},
		{7, 8},
		{0, 9},
		{-5, 4},
		{0, 1999},
		{0, 2000},
		{-1, 86_400_000_000},
		{math.MinInt64, math.MaxInt64},
		{math.MinInt64, math.MaxInt64 - 1},
		{math.MinInt64, 0},
		{-1, math.MaxInt64},
		{math.MaxInt64 - 3, math.MaxInt64},
	}
	for range 100 {
		a, b := int64(rnd.Uint64())>>rnd.IntN(63), int64(rnd.Uint64())>>rnd.IntN(63)
		wins = append(wins, window{min(a, b), max(a, b)})
	}
	for _, w := range wins {
		for _, n := range []int{1, 2, 3, 10, 2000, MaxPoints} {
			checkAxis(t, w, n)
		}
	}
}

func checkAxis(t *testing.T, w window, n int) {
	t.Helper()
	a := newAxis(I64, w, n)
	span := new(big.Int).Add(new(big.Int).Sub(big.NewInt(w.hi), big.NewInt(w.lo)), big.NewInt(1))
	keys := []int64{w.lo, w.hi}
	if w.lo > math.MinInt64 {
		keys = append(keys, w.lo-1)
	}
	if w.hi < math.MaxInt64 {
		keys = append(keys, w.hi+1)
	}
	for i := range a.n {
		if s := a.start(i); s > w.lo {
			keys = append(keys, s, s-1)
		}
	}
	at := make([]int32, len(keys))
	a.place(at, keys)
	for i, k := range keys {
		want := int64(-1)
		if w.holds(k) {
			d := new(big.Int).Sub(big.NewInt(k), big.NewInt(w.lo))
			want = d.Mul(d, big.NewInt(int64(a.n))).Quo(d, span).Int64()
		}
		if int64(at[i]) != want {
			t.Fatalf("%+v in %d: %d is in bucket %d, want %d", w, n, k, at[i], want)
		}
		if want >= 0 && (a.start(int(want)) > k || int(want)+1 < a.n && a.start(int(want)+1) <= k) {
			t.Fatalf("%+v in %d: %d is in bucket %d, which begins at %d", w, n, k, want, a.start(int(want)))
		}
	}
}

// TestSeriesFloatAxis: the ends of the range of floats are a range like any other.
func TestSeriesFloatAxis(t *testing.T) {
	for _, ends := range [][2]float64{{-math.MaxFloat64, math.MaxFloat64}, {0, 5e-324}, {math.Copysign(0, -1), 0}, {1, math.Nextafter(1, 2)}, {-1e300, 1e308}} {
		w := window{lo: mustKey(F64, int64(math.Float64bits(ends[0]))), hi: mustKey(F64, int64(math.Float64bits(ends[1])))}
		a := newAxis(F64, w, 10)
		nan := binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN()))
		nan = binary.LittleEndian.AppendUint64(nan, math.Float64bits(math.Copysign(math.NaN(), -1)))
		keys := appendKeys([]int64{w.lo, w.hi, w.lo - 1, w.hi + 1}, F64, nan)
		at := make([]int32, len(keys))
		a.place(at, keys)
		if want := []int32{0, int32(a.n - 1), -1, -1, -1, -1}; !slices.Equal(at, want) {
			t.Errorf("%v: buckets %v, want %v", ends, at, want)
		}
		prev := ends[0]
		for i := range a.n {
			if x := keyFloat(F64, a.start(i)); x < prev || x > ends[1] || math.IsNaN(x) {
				t.Errorf("%v: bucket %d begins at %v", ends, i, x)
			} else {
				prev = x
			}
		}
	}
}

// TestSeriesAnswers shows what an answer looks like.
func TestSeriesAnswers(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{
		{Name: "seq", Type: I64},
		{Name: "time", Type: TSus, Naive: true, Nullable: true, Role: "time"},
		{Name: "pos", Type: Dec32, Scale: 1, Role: "position"},
		{Name: "speed", Type: Dec64, Scale: 3, Role: "speed"},
		{Name: "value", Type: F64, Nullable: true, Role: "value"},
		{Name: "level", Type: Enum8, Labels: []string{"low", "", "high"}},
		{Name: "door", Type: Bool},
	}}
	f := func(x float64) int64 { return int64(math.Float64bits(x)) }
	data := [][]int64{
		{1, 0, 10, 5000, f(1), 0, 0},
		{2, 1e6, 20, 7000, f(math.NaN()), 2, 1},
		{3, 2e6, 30, 1500, f(0.1), 1, 0},
		{4, 9e6, 15, 0, f(math.Inf(1)), 0, 0},
		{math.MaxInt64, 5e6, -5, 100, f(-2), 2, 0}, // has no time and no value
	}
	b := &Batch{Rows: len(data), Columns: make([]Vector, len(s.Columns))}
	for j := range s.Columns {
		w := s.Columns[j].Type.Width()
		b.Columns[j].Data = make([]byte, len(data)*w)
		for i := range data {
			putInt(b.Columns[j].Data, w, i, data[i][j])
		}
	}
	b.Columns[1].Validity, b.Columns[4].Validity = []byte{0b1111}, []byte{0b1111}
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	for _, tt := range []struct {
		q    SeriesQuery
		want string
	}{
		{SeriesQuery{}, `time 4/0 ["1970-01-01T00:00:00.000000","1970-01-01T00:00:01.000000","1970-01-01T00:00:02.000000","1970-01-01T00:00:09.000000"] speed [5.000,7.000,1.500,0.000] [5.000,7.000,1.500,0.000] [5.000,7.000,1.500,0.000]`},
		{SeriesQuery{Points: 3}, `time 4/3 ["1970-01-01T00:00:00.000000","1970-01-01T00:00:03.000001","1970-01-01T00:00:06.000001"] speed [1.500,null,0.000] [7.000,null,0.000] [1.500,null,0.000]`},
		{SeriesQuery{X: "pos", Y: []string{"speed"}, Points: 4}, `pos 5/4 [-0.5,0.4,1.3,2.2] speed [0.100,5.000,0.000,1.500] [0.100,5.000,7.000,1.500] [0.100,5.000,0.000,1.500]`},
		{SeriesQuery{X: "pos", From: "1.05", To: "2.05", Y: []string{"seq"}}, `pos 2/0 [1.5,2.0] seq [4,2] [4,2] [4,2]`},
		{SeriesQuery{X: "seq", To: "4", Points: 1, Y: []string{"level", "door", "value"}}, `seq 4/1 [1] level ["low"] ["high"] ["low"] door [false] [true] [false] value [0.1] [1] [0.1]`},
		{SeriesQuery{X: "seq", Y: []string{"level"}, From: "3"}, `seq 3/0 [3,4,9223372036854775807] level ["1","low","high"] ["1","low","high"] ["1","low","high"]`},
		{SeriesQuery{X: "seq", Y: []string{"value"}, Int64AsString: true, From: "4"}, `seq 2/0 ["4","9223372036854775807"] value [null,null] [null,null] [null,null]`},
		{SeriesQuery{X: "value", Y: []string{"door"}}, `value 2/0 [0.1,1] door [false,false] [false,false] [false,false]`},
		{SeriesQuery{X: "value", From: "0", To: "0.05", Y: []string{"door"}}, `value 0/0 [] door [] [] []`},
		{SeriesQuery{From: "1970-01-01T00:00:01.5", To: "1970-01-01T00:00:01.7"}, `time 0/0 [] speed [] [] []`},
		{SeriesQuery{From: "1970-01-01T00:00:00", To: "1970-01-01T00:00:19.999999", Points: 2}, `time 4/2 ["1970-01-01T00:00:00.000000","1970-01-01T00:00:10.000000"] speed [0.000,null] [7.000,null] [0.000,null]`},
		{SeriesQuery{Where: []Condition{where(t, s, "door:eq:true")}, Search: "HIGH", Points: 1}, `time 1/0 ["1970-01-01T00:00:01.000000"] speed [7.000] [7.000] [7.000]`},
		{SeriesQuery{Search: "nowhere"}, `time 0/0 [] speed [] [] []`},
		{SeriesQuery{X: "pos", From: "-99999999999", To: "99999999999", Points: 2, Y: []string{"seq"}}, `pos 5/2 [-99999999.9,0.1] seq [9223372036854775807,1] [9223372036854775807,4] [9223372036854775807,4]`},
	} {
		got, err := r.Series(t.Context(), tt.q)
		if err != nil {
			t.Errorf("%+v: %v", tt.q, err)
			continue
		}
		text := fmt.Sprintf("%s %d/%d %s", got.Column.Name, got.Rows, got.Buckets, got.X)
		for _, l := range got.Lines {
			text += fmt.Sprintf(" %s %s %s %s", l.Column.Name, l.Min, l.Max, l.Last)
		}
		if text != tt.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", tt.q, text, tt.want)
		}
	}
	zero := []int64{f(math.Copysign(0, -1)), f(0), f(5e-324)}
	s, b = oneColumn(Column{Type: F64, Role: "value"}, zero...)
	r = open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	for bound, want := range map[[2]string]int64{{"0", ""}: 3, {"-0", ""}: 3, {"", "-0"}: 2, {"0", "0"}: 2, {"1e-300", ""}: 0} {
		if got, err := r.Series(t.Context(), SeriesQuery{X: "x", Y: []string{"x"}, From: bound[0], To: bound[1]}); err != nil || got.Rows != want {
			t.Errorf("%q: %d rows, error %v, want %d: -0 equals 0", bound, got.Rows, err, want)
		}
	}
	for _, inf := range []int{-1, 1} { // alone at an end of the statistics
		s, b = oneColumn(Column{Type: F64, Role: "value"}, f(1), f(math.Inf(inf)), f(2), f(3))
		r = open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
		got, err := r.Series(t.Context(), SeriesQuery{X: "x", Y: []string{"x"}, Points: 2})
		if err != nil || got.Rows != 3 || string(got.X) != "[1,2]" || string(got.Lines[0].Max) != "[1,3]" {
			t.Errorf("infinity %d: %+v, %v", inf, got, err)
		}
	}
	if got, err := Empty(daySchema()).Series(t.Context(), SeriesQuery{}); err != nil || string(got.X) != "[]" || string(got.Lines[0].Last) != "[]" {
		t.Errorf("a table without rows: %+v, %v", got, err)
	}
}

func TestSeriesRefuses(t *testing.T) {
	s, b := edgeTable(t)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	for field, all := range map[string][]SeriesQuery{
		"x": {{}, {X: "nope"}, {X: "bool"}, {X: "utf8"}, {X: "bin"}, {X: "enum8"}},
		"y": {
			{X: "i64"},
			{X: "i64", Y: []string{"nope"}},
			{X: "i64", Y: []string{"i8", "utf8"}},
			{X: "i64", Y: []string{"bin"}},
			{X: "i64", Y: []string{"ts_us"}},
			{X: "i64", Y: slices.Repeat([]string{"i8"}, MaxSeries+1)},
		},
		"from": {
			{X: "i8", Y: []string{"i8"}, From: "1.5"},
			{X: "i8", Y: []string{"i8"}, From: "2", To: "1"},
			{X: "f64", Y: []string{"i8"}, From: "NaN"},
			{X: "f32", Y: []string{"i8"}, From: "-Inf"},
			{X: "ts_us", Y: []string{"i8"}, From: "soon"},
			{X: "dec32", Y: []string{"i8"}, From: "1.001", To: "1.00"},
		},
		"to":     {{X: "i8", Y: []string{"i8"}, To: "one"}, {X: "f64", Y: []string{"i8"}, To: "Inf"}},
		"points": {{X: "i8", Y: []string{"i8"}, Points: -1}, {X: "i8", Y: []string{"i8"}, Points: MaxPoints + 1}},
		"where":  {{X: "i8", Y: []string{"i8"}, Where: make([]Condition, MaxConditions+1)}},
	} {
		for _, q := range all {
			_, err := r.Series(t.Context(), q)
			e, ok := errors.AsType[*errcode.Error](err)
			if !ok || e.Code != errcode.ValidationFailed || len(e.Fields) != 1 || e.Fields[0].Field != field {
				t.Errorf("%+v: error %v, want validation_failed of %s", q, err, field)
			}
		}
	}
}

func FuzzSeriesQuery(f *testing.F) {
	s, b := edgeTable(f)
	r := open(f, s, encode(f, Parquet, s, EncodeOptions{}, b, b))
	for _, c := range s.Columns {
		f.Add(c.Name, c.Name, "1", "2.5", 3)
		f.Add(c.Name, "i8,bool", "", "2024-02-29T23:59:60Z", 1)
		f.Add(c.Name, "f64", "-1e400", "99999999999999999999", MaxPoints)
	}
	f.Fuzz(func(t *testing.T, x, y, from, to string, points int) {
		got, err := r.Series(t.Context(), SeriesQuery{X: x, Y: strings.Split(y, ","), From: from, To: to, Points: points})
		if err != nil {
			if !errcode.Is(err, errcode.ValidationFailed) {
				t.Fatal(err)
			}
			return
		}
		if a := answerOf(t, got); len(a.X) > max(points, DefaultPoints) {
			t.Fatalf("%d points", len(a.X))
		}
	})
}

// TestSeriesReadsLittle: what lies outside of from and to is not read, nor y where no row counts.
func TestSeriesReadsLittle(t *testing.T) {
	s := daySchema()
	var batches []*Batch
	rnd := rand.New(rand.NewPCG(3, 4))
	for g := range 8 {
		b := &Batch{Rows: 20_000, Columns: make([]Vector, len(s.Columns))}
		for j := range s.Columns {
			w := s.Columns[j].Type.Width()
			b.Columns[j].Data = make([]byte, b.Rows*w)
			for i := range b.Rows {
				putInt(b.Columns[j].Data, w, i, []int64{int64(g*b.Rows + i), int64(g*b.Rows + i), 0, rnd.Int64N(1e17), 0}[j])
			}
		}
		batches = append(batches, b)
	}
	data := encodeGroups(t, s, batches...)
	file := &countingReader{ReaderAt: bytes.NewReader(data)}
	r, err := OpenParquet(file, int64(len(data)), s)
	if err != nil {
		t.Fatal(err)
	}
	read := func(q SeriesQuery) int64 {
		t.Helper()
		file.n.Store(0)
		if _, err := r.Series(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		return file.n.Load()
	}
	all := read(SeriesQuery{X: "seq"})
	if n := read(SeriesQuery{X: "seq", From: "45000", To: "55000"}); n > all/7 {
		t.Errorf("a window in one row group reads %d bytes, the whole table %d", n, all)
	}
	few := SeriesQuery{X: "seq", Where: []Condition{where(t, s, "seq:in:5,150005")}}
	if n := read(few); n > all/2 {
		t.Errorf("two rows read %d bytes, the whole table %d", n, all)
	}
	if n := read(SeriesQuery{X: "seq", From: "45000", To: "45100", Points: 10}); n > all/16 {
		t.Errorf("a window in one page reads %d bytes, the whole table %d", n, all)
	}
	for _, q := range []SeriesQuery{{X: "seq", From: "900000"}, {X: "seq", From: "900000", To: "900001"}} {
		if n := read(q); n != 0 {
			t.Errorf("a window without rows reads %d bytes", n)
		}
	}
}

func TestSeriesEndsWithItsContext(t *testing.T) {
	r := dayTable(t, 10_000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, q := range []SeriesQuery{{}, {Points: MaxPoints}, {Where: []Condition{where(t, r.Schema(), "seq:gt:1")}}} {
		if _, err := r.Series(ctx, q); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: error %v, want that of the context", q, err)
		}
	}
}
