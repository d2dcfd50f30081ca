package table

import (
	"context"
	"errors"
	"math"
	goruntime "runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A series is read in up to three passes over the row groups that can hold something of it: one for the range of x
// where neither bounds nor statistics give it, one for the rows themselves, which ends as soon as there are too many,
// and one that sorts rows into buckets. Of y only the pages are read in which some row counts.

// maxParts is how many goroutines read one series: each keeps buckets of its own, up to 4 MB of them.
const maxParts = 4

// read gives the points of the plan.
func (p *seriesPlan) read(ctx context.Context) (points, error) {
	none := points{cells: make([][]cell, len(p.y))}
	few := true // there may be no more rows than points
	if p.From == "" || p.To == "" {
		ext, known := p.stored()
		if !known {
			all, err := p.extent(ctx)
			if err != nil {
				return none, err
			}
			ext, few = all.window, all.rows <= int64(p.Points)
		}
		if p.From == "" {
			p.win.lo = ext.lo
		}
		if p.To == "" {
			p.win.hi = ext.hi
		}
	}
	if p.win.empty() {
		return none, nil
	}
	if few {
		pts, err := p.collect(ctx)
		if !errors.Is(err, errManyRows) {
			return pts, err
		}
	}
	return p.bucket(ctx)
}

// stored gives the range of x from the statistics, false where they do not tell: rows are filtered, or values have no
// bounds or none that an axis has.
func (p *seriesPlan) stored() (window, bool) {
	ext := noWindow()
	if len(p.Where) > 0 || p.Search != "" {
		return ext, false
	}
	full := fullWindow(p.r.schema.Columns[p.x].Type)
	for i := range p.r.groups {
		g := &p.r.groups[i]
		ch := &g.chunks[p.x]
		switch {
		case ch.nulls == g.rows:
		case !ch.bound.ok || !full.holds(ch.bound.min) || !full.holds(ch.bound.max):
			return ext, false
		default:
			ext = ext.merge(window{lo: ch.bound.min, hi: ch.bound.max})
		}
	}
	return ext, true
}

// groups lists the row groups that can hold rows of the series.
func (p *seriesPlan) groups() []int {
	f := newFilter(p.r.schema, p.Where, p.Search)
	var out []int
	for i := range p.r.groups {
		g := &p.r.groups[i]
		if !p.win.excludes(&g.chunks[p.x], g.rows) && !f.excludes(g) {
			out = append(out, i)
		}
	}
	return out
}

// parts divides row groups among goroutines, in order, and gives the error of the first that fails.
func parts(ctx context.Context, groups []int, n int, work func(ctx context.Context, part int, groups []int) error) error {
	all, ctx := errgroup.WithContext(ctx)
	for i := range n {
		all.Go(func() (err error) {
			defer guard(&err)
			return work(ctx, i, groups[len(groups)*i/n:len(groups)*(i+1)/n])
		})
	}
	return all.Wait() //nolint:wrapcheck // an error of this package
}

func partsOf(groups []int) int { return max(1, min(manyParts(), len(groups))) }

// manyParts is how many goroutines read a table that is long enough.
func manyParts() int { return min(goruntime.GOMAXPROCS(0), maxParts) }

// extent is the range of x of the rows that count, and their number.
type extent struct {
	window
	rows int64
}

// extent reads the extent.
func (p *seriesPlan) extent(ctx context.Context) (extent, error) {
	groups := p.groups()
	each := make([]extent, partsOf(groups))
	err := parts(ctx, groups, len(each), func(ctx context.Context, part int, groups []int) error {
		f := extent{window: noWindow()}
		err := p.scan(ctx, groups, newAxis(p.column().Type, p.win, 1), func(s *axisScan) error {
			f.rows += int64(s.found)
			for i, at := range s.at {
				if at >= 0 {
					f.lo, f.hi = min(f.lo, s.keys[i]), max(f.hi, s.keys[i])
				}
			}
			return nil
		})
		each[part] = f
		return err
	})
	sum := extent{window: noWindow()}
	for _, f := range each {
		sum.window, sum.rows = sum.merge(f.window), sum.rows+f.rows
	}
	return sum, err
}

// errManyRows says that there are more rows than points.
var errManyRows = errors.New("series: more rows than points")

// collect reads the rows themselves.
func (p *seriesPlan) collect(ctx context.Context) (points, error) {
	var pts points
	var rows []int64
	err := p.scan(ctx, p.groups(), newAxis(p.column().Type, p.win, 1), func(s *axisScan) error {
		if len(rows)+s.found > p.Points {
			return errManyRows
		}
		for i, at := range s.at {
			if at >= 0 {
				rows, pts.x = append(rows, s.first+int64(i)), append(pts.x, s.keys[i])
			}
		}
		return nil
	})
	if err != nil {
		return pts, err
	}
	pts.rows, pts.cells = int64(len(rows)), newCells(len(p.y), len(rows))
	f := folder{schema: p.r.schema, cols: p.y, cells: pts.cells}
	var own []int32 // each row has a cell of its own
	err = p.r.fetch(ctx, p.y, rows, ordered(rows), func(b *Batch, idx []int, at int) error {
		own = none(own, b.Rows)
		for k, i := range idx {
			own[i] = int32(at + k)
		}
		f.fold(b, own)
		return nil
	})
	pts.byX()
	return pts, err
}

// bucket sorts the rows into buckets.
func (p *seriesPlan) bucket(ctx context.Context) (points, error) {
	groups := p.groups()
	axis := newAxis(p.column().Type, p.win, p.Points)
	each := make([]points, partsOf(groups))
	err := parts(ctx, groups, len(each), func(ctx context.Context, part int, groups []int) error {
		ys, err := p.r.newScan(p.y)
		if err != nil {
			return err
		}
		f := folder{schema: p.r.schema, cols: p.y, cells: newCells(len(p.y), axis.n)}
		each[part].cells = f.cells
		return p.scan(ctx, groups, axis, func(s *axisScan) error {
			if s.found == 0 {
				return nil
			}
			each[part].rows += int64(s.found)
			return f.rows(ctx, ys, s.first, s.at)
		})
	})
	if err != nil {
		return points{}, err
	}
	pts := each[0]
	for i := range each[1:] {
		pts.merge(&each[1+i])
	}
	pts.buckets, pts.x = axis.n, make([]int64, axis.n)
	for i := range pts.x {
		pts.x[i] = axis.start(i)
	}
	return pts, nil
}

// merge adds what a later part of the table holds.
func (pts *points) merge(o *points) {
	pts.rows += o.rows
	for j := range o.cells {
		for i := range o.cells[j] {
			if n, c := &o.cells[j][i], &pts.cells[j][i]; !n.empty() {
				c.min, c.max, c.last = min(c.min, n.min), max(c.max, n.max), n.last
			}
		}
	}
}

func newCells(columns, n int) [][]cell {
	out := make([][]cell, columns)
	for j := range out {
		out[j] = make([]cell, n)
		for i := range out[j] {
			out[j][i] = cell{min: math.MaxInt64, max: math.MinInt64}
		}
	}
	return out
}

// axisScan reads x and finds the bucket of each row. It serves one goroutine.
type axisScan struct {
	scan   *scan
	filter filter
	col    *Column
	pos    int // of x among the columns of scan
	axis   *axis

	first int64 // row that the batch begins with
	keys  []int64
	at    []int32 // bucket of each row, -1 = it does not count
	found int     // rows that count
	spare []int32
}

func (p *seriesPlan) column() *Column { return &p.r.schema.Columns[p.x] }

// scan calls fn with one batch of the row groups after the other.
func (p *seriesPlan) scan(ctx context.Context, groups []int, a *axis, fn func(*axisScan) error) error {
	s := &axisScan{filter: newFilter(p.r.schema, p.Where, p.Search), col: p.column(), axis: a}
	s.pos = s.filter.column(p.x)
	var err error
	if s.scan, err = p.r.newScan(s.filter.cols); err != nil {
		return err
	}
	for _, n := range groups {
		g := &p.r.groups[n]
		for s.scan.seek(g.first); s.scan.row < g.first+g.rows; {
			s.first = s.scan.row
			b, err := s.scan.next(ctx, math.MaxInt)
			if err != nil {
				return err
			}
			s.place(b)
			if err := fn(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// place finds the buckets of a batch.
func (s *axisScan) place(b *Batch) {
	v := &b.Columns[s.pos]
	s.keys = appendKeys(s.keys[:0], s.col.Type, v.Data)
	s.at = none(s.at, b.Rows)
	s.axis.place(s.at, s.keys)
	dropNulls(s.at, v)
	if !s.filter.none() {
		s.spare = none(s.spare, b.Rows)
		for _, i := range s.filter.apply(b) {
			s.spare[i] = s.at[i]
		}
		s.at, s.spare = s.spare, s.at
	}
	s.found = len(s.at)
	for _, at := range s.at {
		s.found += int(at >> 31) // -1 for -1
	}
}

// none gives n rows of which none counts, in the memory of at where that is enough.
func none(at []int32, n int) []int32 {
	at = slices.Grow(at[:0], n)[:n]
	for i := range at {
		at[i] = -1
	}
	return at
}

// dropNulls makes rows that are null count no more.
func dropNulls(at []int32, v *Vector) {
	if v.Validity == nil {
		return
	}
	for i := 0; i < len(at); i += 8 {
		if v.Validity[i>>3] == 0xff {
			continue
		}
		for k := i; k < min(i+8, len(at)); k++ {
			if !v.Valid(k) {
				at[k] = -1
			}
		}
	}
}

// folder gathers y in cells. It serves one goroutine.
type folder struct {
	schema *Schema
	cols   []int
	cells  [][]cell
	keys   []int64
	spare  []int32
}

// rows reads y of the rows from first on and folds each into the cell that at names.
func (f *folder) rows(ctx context.Context, s *scan, first int64, at []int32) error {
	s.seek(first)
	for len(at) > 0 {
		b, err := s.next(ctx, len(at))
		if err != nil {
			return err
		}
		if b == nil {
			return corrupt(errDamaged, "rows are missing")
		}
		f.fold(b, at[:b.Rows])
		at = at[b.Rows:]
	}
	return nil
}

// fold adds the rows of a batch of y.
func (f *folder) fold(b *Batch, at []int32) {
	for j, n := range f.cols {
		t, v := f.schema.Columns[n].Type, &b.Columns[j]
		f.keys = appendKeys(f.keys[:0], t, v.Data)
		to := at
		if v.Validity != nil || t.float() {
			f.spare = append(f.spare[:0], at...)
			to = f.spare
			dropNulls(to, v)
			if t.float() {
				dropUnlimited(to, f.keys, fullWindow(t))
			}
		}
		foldKeys(f.cells[j], to, f.keys)
	}
}

// dropUnlimited makes NaN and the infinities count no more.
func dropUnlimited(at []int32, keys []int64, full window) {
	for i, k := range keys {
		if !full.holds(k) {
			at[i] = -1
		}
	}
}

// foldKeys runs once a value. Rows of one bucket mostly follow each other: their cell stays in registers.
func foldKeys(cells []cell, at []int32, keys []int64) {
	keys = keys[:len(at)]
	for i := 0; i < len(at); {
		n := at[i]
		if n < 0 {
			i++
			continue
		}
		c := cells[n]
		for ; i < len(at) && at[i] == n; i++ {
			c.last = keys[i]
			c.min, c.max = min(c.min, c.last), max(c.max, c.last)
		}
		cells[n] = c
	}
}
