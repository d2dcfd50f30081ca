package table

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// modelSeries answers a series as simply as it can be said: row by row, with big numbers.
type modelSeries struct {
	s    *Schema
	rows []oracleRow // that count, in table order
	x    int
	y    []int
}

// exact gives a value as a rational number; ok is false for NaN and the infinities.
func (m *modelSeries) exact(col int, o *oracleRow) (*big.Rat, bool) {
	switch t := m.s.Columns[col].Type; t {
	case F32:
		f := math.Float32frombits(uint32(o.raw[col]))
		r := new(big.Rat).SetFloat64(float64(f))
		return r, r != nil
	case F64:
		r := new(big.Rat).SetFloat64(math.Float64frombits(uint64(o.raw[col])))
		return r, r != nil
	case U64:
		return new(big.Rat).SetInt(new(big.Int).SetUint64(uint64(o.raw[col]))), true
	default:
		return new(big.Rat).SetInt64(o.raw[col]), true
	}
}

// json gives a value of a row as rows have it.
func (m *modelSeries) json(col int, o *oracleRow) string {
	c := &m.s.Columns[col]
	v := Vector{Data: make([]byte, 8)}
	putInt(v.Data, c.Type.Width(), 0, o.raw[col])
	return string(jsonForm{}.appendJSON(nil, c, &v, 0))
}

// modelCell is the values of a column at a point.
type modelCell struct{ Min, Max, Last string }

// cell folds rows.
func (m *modelSeries) cell(col int, rows []oracleRow) modelCell {
	c := modelCell{"null", "null", "null"}
	var least, most *big.Rat
	for i := range rows {
		o := &rows[i]
		if o.null[col] {
			continue
		}
		v, ok := m.exact(col, o)
		if !ok {
			continue
		}
		c.Last = m.json(col, o)
		if cmp := compareZero(v, least, o.text[col], c.Min); least == nil || cmp < 0 {
			least, c.Min = v, c.Last
		}
		if cmp := compareZero(v, most, o.text[col], c.Max); most == nil || cmp > 0 {
			most, c.Max = v, c.Last
		}
	}
	return c
}

// compareZero compares numbers; -0 is less than 0, so that of both always the same one is shown.
func compareZero(a, b *big.Rat, aText, bText string) int {
	if b == nil {
		return 0
	}
	if c := a.Cmp(b); c != 0 || a.Sign() != 0 {
		return c
	}
	return boolInt(strings.HasPrefix(bText, "-")) - boolInt(strings.HasPrefix(aText, "-"))
}

// modelAnswer is what is compared.
type modelAnswer struct {
	X       []string
	Lines   [][]modelCell
	Rows    int64
	Buckets int
}

// answer makes points; lo and hi are the window if it was given.
func (m *modelSeries) answer(lo, hi *big.Rat, points int) modelAnswer {
	var in []oracleRow
	least, most := lo, hi
	for _, o := range m.rows {
		if o.null[m.x] {
			continue
		}
		x, ok := m.exact(m.x, &o)
		if !ok || lo != nil && x.Cmp(lo) < 0 || hi != nil && x.Cmp(hi) > 0 {
			continue
		}
		in = append(in, o)
		if lo == nil && (least == nil || x.Cmp(least) < 0) {
			least = x
		}
		if hi == nil && (most == nil || x.Cmp(most) > 0) {
			most = x
		}
	}
	out := modelAnswer{Lines: make([][]modelCell, len(m.y)), Rows: int64(len(in))}
	if len(in) <= points {
		slices.SortStableFunc(in, func(a, b oracleRow) int {
			x, _ := m.exact(m.x, &a)
			y, _ := m.exact(m.x, &b)
			return compareZero(x, y, a.text[m.x], b.text[m.x])
		})
		for i := range in {
			out.X = append(out.X, m.json(m.x, &in[i]))
			for j, col := range m.y {
				out.Lines[j] = append(out.Lines[j], m.cell(col, in[i:i+1]))
			}
		}
		return out
	}
	m.buckets(&out, in, least, most, points)
	return out
}

// buckets divides the rows.
func (m *modelSeries) buckets(out *modelAnswer, in []oracleRow, lo, hi *big.Rat, n int) {
	float := m.s.Columns[m.x].Type.float()
	span := new(big.Rat).Sub(hi, lo)
	if !float {
		span.Add(span, big.NewRat(1, 1))
		if span.Cmp(big.NewRat(int64(n), 1)) < 0 {
			n = int(span.Num().Int64())
		}
	} else if span.Sign() == 0 {
		n = 1
	}
	out.Buckets = n
	each := make([][]oracleRow, n)
	for _, o := range in {
		x, _ := m.exact(m.x, &o)
		at := 0
		switch {
		case n == 1:
		case float:
			at = floatBucket(x, lo, hi, n)
		default:
			d := new(big.Rat).Quo(x.Sub(x, lo), span)
			d.Mul(d, big.NewRat(int64(n), 1))
			at = int(new(big.Int).Quo(d.Num(), d.Denom()).Int64())
		}
		at = min(at, n-1)
		each[at] = append(each[at], o)
	}
	for i := range each {
		start := new(big.Rat).Mul(span, big.NewRat(int64(i), int64(n)))
		start.Add(start, lo)
		out.X = append(out.X, m.start(start))
		for j, col := range m.y {
			out.Lines[j] = append(out.Lines[j], m.cell(col, each[i]))
		}
	}
}

// floatBucket divides as floats do, halved because the range of all of them is not one.
func floatBucket(x, lo, hi *big.Rat, n int) int {
	half := func(r *big.Rat) float64 { f, _ := r.Float64(); return f / 2 }
	if w, _ := new(big.Rat).Sub(hi, lo).Float64(); !math.IsInf(w, 0) {
		half = func(r *big.Rat) float64 { f, _ := r.Float64(); return f }
	}
	return int((half(x) - half(lo)) / (half(hi) - half(lo)) * float64(n))
}

// start gives the least value of x that is not less than a number.
func (m *modelSeries) start(at *big.Rat) string {
	c := &m.s.Columns[m.x]
	q, rest := new(big.Int).DivMod(at.Num(), at.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	raw := q.Int64()
	if c.Type == U64 {
		raw = int64(q.Uint64())
	}
	o := oracleRow{raw: make([]int64, len(m.s.Columns))}
	o.raw[m.x] = raw
	return m.json(m.x, &o)
}

// answerOf gives an answer in the form of the model's.
func answerOf(tb testing.TB, s Series) modelAnswer {
	tb.Helper()
	split := func(raw json.RawMessage) []string {
		var all []json.RawMessage
		if err := json.Unmarshal(raw, &all); err != nil {
			tb.Fatalf("%v: %s", err, raw)
		}
		var out []string
		for _, v := range all {
			out = append(out, string(v))
		}
		return out
	}
	a := modelAnswer{X: split(s.X), Lines: make([][]modelCell, len(s.Lines)), Rows: s.Rows, Buckets: s.Buckets}
	for j := range s.Lines {
		least, most, last := split(s.Lines[j].Min), split(s.Lines[j].Max), split(s.Lines[j].Last)
		if len(least) != len(a.X) || len(most) != len(a.X) || len(last) != len(a.X) {
			tb.Fatalf("%d points with %d, %d and %d values", len(a.X), len(least), len(most), len(last))
		}
		for i := range least {
			a.Lines[j] = append(a.Lines[j], modelCell{least[i], most[i], last[i]})
		}
	}
	return a
}
