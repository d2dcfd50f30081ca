package table

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Limits of series.
const (
	DefaultPoints = 2000
	MaxPoints     = 10_000
	MaxSeries     = 16 // columns of one answer
)

// SeriesQuery says what a chart shows: columns over another one.
type SeriesQuery struct {
	X             string      // number, decimal or time; "" = the column with role time, else seq
	Y             []string    // number, decimal, bool or enum; none = the columns with role speed, else value, else position
	From, To      string      // values of X as conditions have them, both included; "" = where the values begin and end
	Points        int         // most points, at most MaxPoints; 0 = DefaultPoints
	Where         []Condition // all of them hold for the rows that count
	Search        string      // some text or enum column of the rows contains it
	Int64AsString bool        // 64-bit integers as JSON strings
}

// Series is points along X, which never falls. They are the rows themselves where there are no more of them than
// points asked for, else buckets of equal width. X and the values are JSON arrays of one length.
type Series struct {
	Column  *Column         // of X
	X       json.RawMessage // of a row its value, of a bucket the value where it begins
	Lines   []Line
	Rows    int64 // that the points stand for
	Buckets int   // 0 = the points are rows
}

// Line is one column of a Series. A point without a value has null: all its rows are null, NaN or infinite, or it is a
// bucket without rows.
type Line struct {
	Column         *Column
	Min, Max, Last json.RawMessage // enums in the order of their codes; Last is of the last row with a value, in table order
}

// seriesPlan is a checked SeriesQuery.
type seriesPlan struct {
	SeriesQuery
	r   *Reader
	x   int
	y   []int
	win window // of X
}

// Series reads what a chart needs. It keeps at most Points points of each column for each of a few goroutines, however
// long the table is.
func (r *Reader) Series(ctx context.Context, q SeriesQuery) (Series, error) {
	p, err := r.planSeries(q)
	if err != nil {
		return Series{}, err
	}
	pts, err := p.read(ctx)
	if err != nil {
		return Series{}, err
	}
	return p.render(pts), nil
}

func (r *Reader) planSeries(q SeriesQuery) (*seriesPlan, error) {
	if q.Points == 0 {
		q.Points = DefaultPoints
	}
	if q.Points < 1 || q.Points > MaxPoints {
		return nil, errcode.Invalid("points", "%d is not between 1 and %d", q.Points, MaxPoints)
	}
	if err := checkConditions(q.Where); err != nil {
		return nil, err
	}
	p := &seriesPlan{SeriesQuery: q, r: r}
	var err error
	if p.x, err = r.schema.axisColumn(q.X); err != nil {
		return nil, err
	}
	if p.y, err = r.schema.lineColumns(q.Y, p.x); err != nil {
		return nil, err
	}
	return p, p.limit()
}

// axisColumn gives the column of X.
func (s *Schema) axisColumn(name string) (int, error) {
	if name == "" {
		for i := range s.Columns {
			if s.Columns[i].Role == "time" && s.Columns[i].Type.measures() {
				return i, nil
			}
		}
		if i := s.Index("seq"); i >= 0 && s.Columns[i].Type.measures() {
			return i, nil
		}
		return 0, errcode.Invalid("x", "table %s has neither a time nor a seq: name a column", s.Name)
	}
	i := s.Index(name)
	if i < 0 {
		return 0, unknownColumn("x", s, name)
	}
	if c := &s.Columns[i]; !c.Type.measures() {
		return 0, errcode.Invalid("x", "%s is of type %s: an axis takes numbers, decimals and times", name, c.Type)
	}
	return i, nil
}

// lineColumns gives the columns of Y.
func (s *Schema) lineColumns(names []string, x int) ([]int, error) {
	if len(names) > MaxSeries {
		return nil, errcode.Invalid("y", "%d columns are more than %d", len(names), MaxSeries)
	}
	out := make([]int, 0, len(names))
	for _, n := range names {
		i := s.Index(n)
		if i < 0 {
			return nil, unknownColumn("y", s, n)
		}
		if c := &s.Columns[i]; !c.Type.draws() {
			return nil, errcode.Invalid("y", "%s is of type %s: a line takes numbers, decimals, bools and enums", n, c.Type)
		}
		out = append(out, i)
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, role := range []string{"speed", "value", "position"} {
		for i := range s.Columns {
			if c := &s.Columns[i]; i != x && c.Role == role && c.Type.draws() && len(out) < MaxSeries {
				out = append(out, i)
			}
		}
		if len(out) > 0 {
			return out, nil
		}
	}
	return nil, errcode.Invalid("y", "table %s has no column of a speed, value or position: name one", s.Name)
}

// float reports whether values are floating-point numbers.
func (t Type) float() bool { return t == F32 || t == F64 }

// measures reports whether values have a place on an axis.
func (t Type) measures() bool { return t != Bool && !t.varlen() && !t.enum() }

// draws reports whether values make a line.
func (t Type) draws() bool { return !t.varlen() && t != TSus && t != TSns }

// limit sets the window.
func (p *seriesPlan) limit() error {
	c := &p.r.schema.Columns[p.x]
	full := fullWindow(c.Type)
	from, to := literal{key: full.lo}, literal{key: full.hi}
	var err error
	if p.From != "" {
		if from, err = axisLiteral(c, "from", p.From); err != nil {
			return err
		}
	}
	if p.To != "" {
		if to, err = axisLiteral(c, "to", p.To); err != nil {
			return err
		}
	}
	if p.From != "" && p.To != "" && (from.key > to.key || from.key == to.key && from.above && !to.above) {
		return errcode.Invalid("from", "%.80q lies after to, %.80q", p.From, p.To)
	}
	p.win = window{lo: from.key, hi: to.key}
	switch {
	case from.above && from.key == math.MaxInt64:
		p.win = noWindow()
	case from.above:
		p.win.lo++
	case c.Type.float() && from.key == 0:
		p.win.lo = -1 // -0 equals 0
	}
	p.win = p.win.clip(full)
	return nil
}

// axisLiteral reads a bound of the window.
func axisLiteral(c *Column, field, text string) (literal, error) {
	l, ok := parseLiteral(c, text)
	if !ok {
		return l, errcode.Invalid(field, "%.80q is no value of %s, which is of type %s", text, c.Name, c.Type)
	}
	if l.nan || c.Type.float() && !fullWindow(c.Type).holds(l.key) {
		return l, errcode.Invalid(field, "%.80q has no place on an axis", text)
	}
	return l, nil
}

// points is what was read: the key of X of each point and its values.
type points struct {
	x       []int64
	cells   [][]cell // by column of Y
	rows    int64
	buckets int
}

// cell is the values of a column at a point, as order keys.
type cell struct{ min, max, last int64 }

func (c *cell) empty() bool { return c.min > c.max }

// render writes the points as JSON.
func (p *seriesPlan) render(pts points) Series {
	form := jsonForm{int64AsString: p.Int64AsString}
	w := keyWriter{col: &p.r.schema.Columns[p.x], form: form}
	out := Series{Column: w.col, Rows: pts.rows, Buckets: pts.buckets, Lines: make([]Line, len(p.y))}
	x := make([]byte, 0, 2+len(pts.x)*16)
	for i, key := range pts.x {
		x = w.append(append(x, separator(i)), key)
	}
	out.X = closeArray(x)
	for j, n := range p.y {
		line := keyWriter{col: &p.r.schema.Columns[n], form: form}
		out.Lines[j] = Line{
			Column: line.col,
			Min:    line.cells(pts.cells[j], func(c *cell) int64 { return c.min }),
			Max:    line.cells(pts.cells[j], func(c *cell) int64 { return c.max }),
			Last:   line.cells(pts.cells[j], func(c *cell) int64 { return c.last }),
		}
	}
	return out
}

// cells gives a JSON array of one key of each cell.
func (w *keyWriter) cells(cells []cell, key func(*cell) int64) json.RawMessage {
	out := make([]byte, 0, 2+len(cells)*8)
	for i := range cells {
		out = append(out, separator(i))
		if cells[i].empty() {
			out = append(out, "null"...)
		} else {
			out = w.append(out, key(&cells[i]))
		}
	}
	return closeArray(out)
}

func closeArray(b []byte) []byte {
	if len(b) == 0 {
		b = append(b, '[')
	}
	return append(b, ']')
}

// separator gives what stands before value i of an array.
func separator(i int) byte {
	if i == 0 {
		return '['
	}
	return ','
}

// byX sorts points that are rows, which come in table order.
func (pts *points) byX() {
	if slices.IsSorted(pts.x) {
		return
	}
	place := make([]int, len(pts.x))
	for i := range place {
		place[i] = i
	}
	slices.SortStableFunc(place, func(a, b int) int { return cmp.Compare(pts.x[a], pts.x[b]) })
	pts.x = permute(pts.x, place)
	for j := range pts.cells {
		pts.cells[j] = permute(pts.cells[j], place)
	}
}

func permute[T any](in []T, place []int) []T {
	out := make([]T, len(in))
	for i, n := range place {
		out[i] = in[n]
	}
	return out
}
