package table

import (
	"context"
)

// Places in filtered views that keep the order of the table. Rows that match are counted once a row group, so a place is
// found by adding up, and only its own row group is read.

// Position is where a row of the table stands in a view, or would stand if it matched.
type Position struct {
	Offset int64 // rows of the view before it
	Found  bool  // it is one of them
}

// find gives the row group in which the row with so many of the view before it lies, and how many of the group's own come
// before it; len(r.groups) where there is none. Row groups not counted are counted, up to that one.
func (r *Reader) find(ctx context.Context, p *plan, w *view, offset int64) (group int, skip int64, err error) {
	for g := range r.groups {
		n, err := r.countUpTo(ctx, p, w, g, len(r.groups))
		if err != nil {
			return 0, 0, err
		}
		if offset < n {
			return g, offset, nil
		}
		offset -= n
	}
	return len(r.groups), 0, nil
}

// countUpTo gives the count of a row group. If nobody has counted it, those after it, as many as there are goroutines for and
// before end, are counted beside it: they are wanted next.
func (r *Reader) countUpTo(ctx context.Context, p *plan, w *view, group, end int) (int64, error) {
	if n := w.count(group); n != notCounted {
		return n, nil
	}
	var wanted []int
	for g := group; g < end && len(wanted) < manyParts(); g++ {
		if w.count(g) == notCounted {
			wanted = append(wanted, g)
		}
	}
	err := r.countGroups(ctx, p, w, wanted)
	return w.count(group), err
}

// count counts the rows that a query matches.
func (r *Reader) count(ctx context.Context, q Query) (int64, error) {
	p, err := r.plan(q)
	if err != nil || p.filter.none() {
		return r.rows, err
	}
	w := q.Views.view(r, p)
	defer q.Views.keep(w)
	if err := r.countAll(ctx, p, w); err != nil {
		return 0, err
	}
	n, _ := w.total()
	return n, nil
}

// countAll counts what nobody has counted.
func (r *Reader) countAll(ctx context.Context, p *plan, w *view) error {
	var wanted []int
	for g := range r.groups {
		if w.count(g) == notCounted {
			wanted = append(wanted, g)
		}
	}
	return r.countGroups(ctx, p, w, wanted)
}

func (r *Reader) countGroups(ctx context.Context, p *plan, w *view, groups []int) error {
	return parts(ctx, groups, partsOf(groups), func(ctx context.Context, _ int, groups []int) error {
		f := newFilter(r.schema, p.Where, p.Search)
		s, err := r.newWalk(&f, -1)
		if err != nil {
			return err
		}
		for _, g := range groups {
			n := int64(0)
			s.seek(r.groups[g].first)
			if _, err := s.walkGroup(ctx, &f, false, func(m match) bool { n += int64(len(m.rows)); return true }); err != nil {
				return err
			}
			w.setCount(g, n)
		}
		return nil
	})
}

// positionOrdered gives the position of a row in a view in the order of the table.
func (r *Reader) positionOrdered(ctx context.Context, p *plan, w *view, row int64) (Position, error) {
	if p.filter.none() {
		return Position{Offset: row, Found: true}, nil
	}
	var at Position
	own := 0
	for own < len(r.groups)-1 && row >= r.groups[own+1].first {
		own++
	}
	for g := range own {
		n, err := r.countUpTo(ctx, p, w, g, own)
		if err != nil {
			return at, err
		}
		at.Offset += n
	}
	f := newFilter(r.schema, p.Where, p.Search)
	err := r.walkGroups(ctx, &f, -1, []int{own}, func(m match) bool {
		for _, i := range m.rows {
			if m.first+int64(i) >= row {
				at.Found = m.first+int64(i) == row
				return false
			}
			at.Offset++
		}
		return true
	})
	return at, err
}
